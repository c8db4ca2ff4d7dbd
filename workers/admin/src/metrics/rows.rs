//! What is counted, from the database: pages of a few columns each, so that no answer holds the whole fleet at once.

use super::fleet::{Fleet, SandboxRow};
use molt_common::disk_view::StopRefusal;
use molt_common::sandbox_call::Lifecycle;
use molt_common::time::Millis;
use molt_platform::entropy;
use serde::Deserialize;
use worker::d1::{D1Database, D1Type};
use worker::{Env, Result};

const PAGE: u16 = 2_000;

const USERS: &str = "\
SELECT u.id, u.status, \
  json_extract(s.view, '$.lifecycle') AS lifecycle, \
  json_extract(s.view, '$.since') AS since, \
  json_extract(s.view, '$.observedAt') AS observed_at, \
  json_extract(s.view, '$.disk.lastSnapshotAt') AS last_snapshot_at, \
  json_extract(s.view, '$.disk.safeUntil') AS safe_until, \
  json_extract(s.view, '$.disk.changed') AS changed, \
  json_extract(s.view, '$.disk.kept') AS kept, \
  json_extract(s.view, '$.disk.quarantined') AS quarantined, \
  json_extract(s.view, '$.disk.saveFailedAt') AS save_failed_at, \
  json_extract(s.view, '$.disk.faultsFoundAt') AS faults_found_at, \
  json_extract(s.view, '$.disk.stopRefused.at') AS stop_refused_at, \
  json_extract(s.view, '$.disk.stopRefused.keptApart') AS kept_apart, \
  json_extract(s.view, '$.disk.loss') IS NOT NULL AS lost, \
  COALESCE(json_array_length(s.view, '$.disk.alerts'), 0) AS alerts \
FROM users u LEFT JOIN sandbox_states s ON s.user_id = u.id WHERE u.id > ?1 ORDER BY u.id LIMIT ?2";

/// As the database tells it: numbers are its own, truth is 0 or 1.
#[derive(Deserialize)]
struct Row {
    id: String,
    status: String,
    lifecycle: Option<String>,
    since: Option<f64>,
    observed_at: Option<f64>,
    last_snapshot_at: Option<f64>,
    safe_until: Option<f64>,
    changed: Option<f64>,
    kept: Option<f64>,
    quarantined: Option<f64>,
    save_failed_at: Option<f64>,
    faults_found_at: Option<f64>,
    stop_refused_at: Option<f64>,
    kept_apart: Option<String>,
    lost: f64,
    alerts: f64,
}

#[derive(Deserialize)]
struct JobCount {
    kind: String,
    state: String,
    count: f64,
}

/// Counts everything.
///
/// # Errors
/// When the database does not answer.
pub async fn count(env: &Env) -> Result<Fleet> {
    let database = env.d1("PLATFORM_DB")?;
    let now = entropy::now();
    let mut fleet = Fleet::new();
    let mut after = String::new();
    loop {
        let rows = page(&database, &after).await?;
        let full = rows.len() >= usize::from(PAGE);
        for row in &rows {
            fleet.add(&row.counted(), now);
        }
        match rows.into_iter().next_back() {
            Some(last) if full => after = last.id,
            _ => break,
        }
    }
    let jobs = "SELECT kind, state, COUNT(*) AS count FROM jobs GROUP BY kind, state";
    for row in database.prepare(jobs).all().await?.results::<JobCount>()? {
        fleet.jobs.insert((row.kind, row.state), whole(row.count));
    }
    Ok(fleet)
}

async fn page(database: &D1Database, after: &str) -> Result<Vec<Row>> {
    let values = [D1Type::Text(after), D1Type::Integer(PAGE.into())];
    database.prepare(USERS).bind_refs(&values)?.all().await?.results()
}

impl Row {
    fn counted(&self) -> SandboxRow {
        let is = |value: Option<f64>| value.is_some_and(|value| value != 0.0);
        let at = |value: Option<f64>| value.map(|value| Millis(whole(value)));
        let refused = self.stop_refused_at.map(|_| match self.kept_apart {
            Some(_) => StopRefusal::SnapshotKeptApart,
            None => StopRefusal::NotSaved,
        });
        let lifecycle = self.lifecycle.as_deref().and_then(Lifecycle::parse);
        SandboxRow {
            status: self.status.clone(),
            lifecycle: lifecycle.unwrap_or(Lifecycle::Stopped),
            observed_at: at(self.observed_at),
            last_snapshot_at: at(self.last_snapshot_at),
            safe_until: at(self.safe_until),
            since: at(self.since).unwrap_or_default(),
            changed: is(self.changed),
            kept: is(self.kept),
            quarantined: whole(self.quarantined.unwrap_or_default()),
            save_failed: self.save_failed_at.is_some(),
            faults_found: self.faults_found_at.is_some(),
            stop_refused: refused,
            lost: is(Some(self.lost)),
            alerted: is(Some(self.alerts)),
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Counts and times, whole and not below nought.
fn whole(number: f64) -> u64 {
    number as u64
}
