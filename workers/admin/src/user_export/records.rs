//! The records of a user, page by page: JSON for one thing, a line of JSON each for several.

use super::Export;
use crate::exec_store::calls::Get;
use crate::exec_store::read_calls::ListExecs;
use crate::exec_store::stub;
use molt_common::config_call::{CompareConfig, GetConfig, ListConfigVersions};
use molt_common::exec_filter::{Before, ExecFilter};
use molt_common::id::SandboxId;
use molt_common::outbound_call::GetOutbound;
use molt_common::sandbox_call::GetState;
use molt_common::snapshot_call::ListSnapshots;
use molt_common::user_secret::ListSecrets;
use molt_platform::call;
use serde::Serialize;
use serde_json::{Value, json};
use worker::d1::D1Type;
use worker::{Error, Result};

/// Rows of a page.
const ROWS: u32 = 200;
/// Commands of a page: each comes with its output.
const COMMANDS: u32 = 5;

/// Versions of the configuration on a page: each takes a question of its own.
const VERSIONS: u32 = 20;

/// What is told next.
#[derive(Clone, Debug)]
pub enum Section {
    /// His row.
    User,
    /// What his sandbox's object says.
    Sandbox,
    /// His agent's configuration as it is.
    Configuration,
    /// Versions of it, from this number down, each with what it changed.
    Versions(Option<u64>),
    /// The names of his secrets, never a value.
    Secrets,
    /// The list of snapshots, from this number down.
    Snapshots(Option<u64>),
    /// Rows of a query in D1, behind the row of this number.
    Rows(usize, u64),
    /// Commands, behind the one of this cursor, and how many pages came before.
    Commands(Option<Before>, u32),
}

/// A member of the archive.
pub struct Page {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What follows.
    pub next: Option<Section>,
}

/// Names and queries of D1; `?1` is the user's id, `?2` the row behind which it goes on.
const QUERIES: [(&str, &str); 6] = [
    (
        "jobs",
        "SELECT rowid AS n, job_id, kind, parent, state, created_at, view FROM jobs WHERE user_id = ?1",
    ),
    (
        "audit",
        "SELECT rowid AS n, chain, seq, at, actor, action, target, request_id, detail, previous, hash FROM audit \
         WHERE (chain IN ('exec:' || ?1, 'sandbox:' || ?1) OR target = ?1)",
    ),
    (
        "invitations",
        "SELECT rowid AS n, email, created_at, invited_by, used_at, used_by FROM invitations WHERE used_by = ?1",
    ),
    (
        "usage",
        "SELECT rowid AS n, date(day * 86400, 'unixepoch') AS day, provider, own_key, requests, ended, failed, request_bytes, answer_bytes, stated, \
         input_tokens, cached_input_tokens, output_tokens, priced, nano_usd FROM usage_days WHERE user_id = ?1",
    ),
    (
        "containers",
        "SELECT rowid AS n, date(day * 86400, 'unixepoch') AS day, tier, ms FROM container_days WHERE user_id = ?1",
    ),
    (
        "storage",
        "SELECT rowid AS n, date(day * 86400, 'unixepoch') AS day, bytes FROM storage_days WHERE user_id = ?1",
    ),
];

/// One page.
pub async fn page(export: &Export, section: Section) -> Result<Page> {
    match section {
        Section::User => Ok(Page {
            name: "user.json".into(),
            text: serde_json::to_string(&export.user)?,
            next: Some(Section::Sandbox),
        }),
        Section::Sandbox => {
            let stub = call::sandbox(&export.env, &SandboxId::personal(export.user_id))?;
            let view = call::make(&stub, &GetState {}).await?;
            let outbound = call::make(&stub, &GetOutbound {}).await?;
            Ok(Page {
                name: "sandbox.json".into(),
                text: json!({"sandbox": view, "outbound": outbound, "filesOfSnapshot": export.newest}).to_string(),
                next: Some(Section::Configuration),
            })
        }
        Section::Configuration => configuration(export).await,
        Section::Versions(before) => versions(export, before).await,
        Section::Secrets => secrets(export).await,
        Section::Snapshots(before) => snapshots(export, before).await,
        Section::Rows(query, behind) => rows(export, query, behind).await,
        Section::Commands(before, pages) => commands(export, before, pages).await,
    }
}

fn lines<T: Serialize>(entries: &[T]) -> Result<String> {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&serde_json::to_string(entry)?);
        text.push('\n');
    }
    Ok(text)
}

async fn configuration(export: &Export) -> Result<Page> {
    let owner = export.user_id;
    let read = call::make(
        &call::sandbox(&export.env, &SandboxId::personal(owner))?,
        &GetConfig { owner },
    )
    .await?;
    Ok(Page {
        name: "configuration.json".into(),
        text: serde_json::to_string(&read)?,
        next: Some(Section::Versions(None)),
    })
}

/// Each version with the steps from the one before it, so that from the configuration as it is every one can be made again.
async fn versions(export: &Export, before: Option<u64>) -> Result<Page> {
    let sandbox = call::sandbox(&export.env, &SandboxId::personal(export.user_id))?;
    let list = ListConfigVersions {
        before,
        limit: VERSIONS,
    };
    let found = call::make(&sandbox, &list).await?;
    let mut told = Vec::with_capacity(found.versions.len());
    for version in &found.versions {
        let compare = CompareConfig {
            from: version.version.saturating_sub(1),
            to: Some(version.version),
        };
        // Of the oldest that is kept there is nothing before.
        let steps = call::make(&sandbox, &compare).await?.map(|difference| difference.steps);
        told.push(json!({"version": version, "steps": steps}));
    }
    let last = found.versions.last().filter(|_| found.more).map(|last| last.version);
    Ok(Page {
        name: format!(
            "configuration/below-{}.jsonl",
            before.map_or("all".into(), |before| before.to_string())
        ),
        text: lines(&told)?,
        next: Some(last.map_or(Section::Secrets, |last| Section::Versions(Some(last)))),
    })
}

/// What is kept of them in clear: values are not told, not even to whom they belong.
async fn secrets(export: &Export) -> Result<Page> {
    let owner = export.user_id;
    let list = ListSecrets { owner };
    let found = call::make(&call::sandbox(&export.env, &SandboxId::personal(owner))?, &list).await?;
    let entries: Vec<Value> = found
        .secrets
        .iter()
        .map(|secret| json!({"name": secret.name, "use": secret.used_for, "setAt": secret.set_at.iso()}))
        .collect();
    Ok(Page {
        name: "secrets.json".into(),
        text: json!({"secrets": entries}).to_string(),
        next: Some(Section::Snapshots(None)),
    })
}

async fn snapshots(export: &Export, before: Option<u64>) -> Result<Page> {
    let list = ListSnapshots { before, limit: ROWS };
    let found = call::make(
        &call::sandbox(&export.env, &SandboxId::personal(export.user_id))?,
        &list,
    )
    .await?;
    let full = found.snapshots.len() >= usize::try_from(ROWS).unwrap_or(usize::MAX);
    let last = found.snapshots.last().filter(|_| full).map(|last| last.sequence);
    Ok(Page {
        name: format!(
            "snapshots/below-{}.jsonl",
            before.map_or("all".into(), |before| before.to_string())
        ),
        text: lines(&found.snapshots)?,
        next: Some(last.map_or(Section::Rows(0, 0), |last| Section::Snapshots(Some(last)))),
    })
}

async fn rows(export: &Export, query: usize, behind: u64) -> Result<Page> {
    let Some((name, text)) = QUERIES.get(query) else {
        return Err(Error::RustError("no such query".into()));
    };
    let id = export.user_id.to_string();
    #[allow(clippy::cast_precision_loss)] // Numbers of rows.
    let behind_row = behind as f64;
    let found = export
        .env
        .d1("PLATFORM_DB")?
        .prepare(format!("{text} AND rowid > ?2 ORDER BY rowid LIMIT {ROWS}"))
        .bind_refs(&[D1Type::Text(&id), D1Type::Real(behind_row)])?
        .all()
        .await?
        .results::<Value>()?;
    let full = found.len() >= usize::try_from(ROWS).unwrap_or(usize::MAX);
    let last = found
        .last()
        .filter(|_| full)
        .and_then(|last| last.get("n"))
        .and_then(Value::as_u64);
    let following = query.saturating_add(1);
    let next = match last {
        Some(last) => Section::Rows(query, last),
        None if following < QUERIES.len() => Section::Rows(following, 0),
        None => Section::Commands(None, 0),
    };
    Ok(Page {
        name: format!("{name}/behind-{behind}.jsonl"),
        text: lines(&found)?,
        next: Some(next),
    })
}

async fn commands(export: &Export, before: Option<Before>, pages: u32) -> Result<Page> {
    let store = stub(&export.env, export.user_id)?;
    let filter = ExecFilter {
        states: None,
        since: None,
        until: None,
        before,
        limit: COMMANDS,
    };
    let list = call::make(&store, &ListExecs { filter }).await?;
    let mut found = Vec::with_capacity(list.execs.len());
    for exec in &list.execs {
        let exec_id = exec.exec_id.clone();
        // One that retention took meanwhile is not there any more.
        found.extend(call::make(&store, &Get { exec_id }).await?);
    }
    let next = list.next_cursor.as_deref().and_then(Before::parse);
    Ok(Page {
        name: format!("commands/{pages}.jsonl"),
        text: lines(&found)?,
        next: next.map(|next| Section::Commands(Some(next), pages.saturating_add(1))),
    })
}
