//! Pages of the index.

use super::{DATABASE, KEPT_MS};
use molt_common::api::JobState;
use molt_common::api::jobs::JobView;
use molt_common::id::UserId;
use molt_common::job_cursor::JobCursor;
use molt_common::job_id::{JobId, JobKind};
use molt_common::snapshot_changes;
use molt_common::time::Millis;
use serde::Deserialize;
use worker::d1::D1Type;
use worker::{Env, Error, Result};

/// Which jobs are asked for; what is `None` does not matter.
#[derive(Debug, Default)]
pub struct Filter {
    /// What they do: one of these.
    pub kinds: Vec<JobKind>,
    /// Of those of kind `lifecycle`, only the ones about snapshots.
    pub snapshots_only: bool,
    /// On whose sandbox.
    pub user: Option<UserId>,
    /// Where they stand.
    pub state: Option<JobState>,
    /// Parts of this job.
    pub parent: Option<JobId>,
    /// Submitted then or later.
    pub since: Option<Millis>,
}

/// A page, newest first.
pub struct Page {
    /// Jobs.
    pub jobs: Vec<JobView>,
    /// The last of them, if more follow.
    pub next: Option<JobCursor>,
}

#[derive(Deserialize)]
struct Row {
    view: String,
    created_at: u64,
}

/// Conditions of a query and what is bound to them.
struct Query {
    conditions: Vec<String>,
    values: Vec<Value>,
}

enum Value {
    Text(String),
    Number(u64),
}

impl Query {
    fn and(&mut self, condition: &str, value: Value) {
        self.values.push(value);
        self.conditions
            .push(condition.replace('#', &format!("?{}", self.values.len())));
    }
}

/// A page of the jobs behind `after`.
pub async fn page(env: &Env, filter: &Filter, after: Option<&JobCursor>, limit: u32, now: Millis) -> Result<Page> {
    let mut query = Query {
        conditions: vec![],
        values: vec![],
    };
    // The purge is lazy; what it is about to take is not shown.
    query.and("updated_at >= #", Value::Number(now.0.saturating_sub(KEPT_MS)));
    // With every kind there is nothing to choose, and the index by time serves.
    if filter.kinds.len() < JobKind::ALL.len() {
        let words: Vec<String> = filter.kinds.iter().map(|kind| format!("'{}'", kind.word())).collect();
        query.conditions.push(format!("kind IN ({})", words.join(", ")));
    }
    if filter.snapshots_only {
        let words: Vec<String> = snapshot_changes::WORDS.iter().map(|word| format!("'{word}'")).collect();
        let words = words.join(", ");
        let lifecycle = JobKind::Lifecycle.word();
        query.conditions.push(format!(
            "(kind <> '{lifecycle}' OR json_extract(view, '$.change.change') IN ({words}))"
        ));
    }
    if let Some(user) = filter.user {
        query.and("user_id = #", Value::Text(user.to_string()));
    }
    if let Some(state) = filter.state {
        query.and("state = #", Value::Text(state.word().into()));
    }
    if let Some(parent) = &filter.parent {
        query.and("parent = #", Value::Text(parent.to_string()));
    }
    if let Some(since) = filter.since {
        query.and("created_at >= #", Value::Number(since.0));
    }
    if let Some(after) = after {
        query.and("created_at <= #", Value::Number(after.created_at.0));
        let at = format!("?{}", query.values.len());
        query.and(
            &format!("(created_at < {at} OR job_id < #)"),
            Value::Text(after.job_id.to_string()),
        );
    }
    // One more than fits tells whether there is another page.
    query.values.push(Value::Number(u64::from(limit).saturating_add(1)));
    let text = format!(
        "SELECT view, created_at FROM jobs WHERE {} ORDER BY created_at DESC, job_id DESC LIMIT ?{}",
        query.conditions.join(" AND "),
        query.values.len()
    );
    let values: Vec<D1Type<'_>> = query
        .values
        .iter()
        .map(|value| match value {
            Value::Text(text) => D1Type::Text(text),
            #[allow(clippy::cast_precision_loss)] // Times and counts of this era.
            Value::Number(number) => D1Type::Real(*number as f64),
        })
        .collect();
    let statement = env.d1(DATABASE)?.prepare(text).bind_refs(&values)?;
    let rows = statement.all().await?.results::<Row>()?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    let mut page = Page {
        jobs: Vec::with_capacity(rows.len().min(limit)),
        next: None,
    };
    for row in rows.into_iter().take(limit) {
        let view: JobView =
            serde_json::from_str(&row.view).map_err(|error| Error::RustError(format!("indexed job: {error}")))?;
        page.next = more.then(|| JobCursor {
            created_at: Millis(row.created_at),
            job_id: view.job_id.clone(),
        });
        page.jobs.push(view);
    }
    Ok(page)
}
