//! Snapshots of a sandbox: listed by its object, made, restored and verified by jobs.

pub mod access;
pub mod decide;
pub mod legacy;
pub mod list;
pub mod restore;
pub mod save;
pub mod storage;
pub mod upkeep;

use super::lifecycle::change::{self, Answered, Ask};
use crate::caller::Caller;
use crate::extract::Parameters;
use crate::respond::Failure;
use http::HeaderMap;
use molt_common::api::backups::{BACKUP_TIMEOUT_DEFAULT_MS, NEWEST};
use molt_common::id::{SandboxId, UserId};
use molt_common::problem::Problem;
use molt_common::snapshot::{ListedSnapshot, SnapshotId};
use molt_common::snapshot_call::{GetSnapshot, ListSnapshots, SnapshotList, SnapshotSummary};
use molt_platform::call;
use worker::Env;

/// Has a change about snapshots accepted, with the time limit of such work unless the caller gave one.
async fn accept(env: &Env, caller: &Caller, user: UserId, headers: &HeaderMap, ask: Ask) -> Answered {
    let ask = Ask {
        timeout_ms: Some(ask.timeout_ms.unwrap_or(BACKUP_TIMEOUT_DEFAULT_MS)),
        ..ask
    };
    let change = change::accept(env, caller, user, headers, ask).await?;
    Ok(change::accepted(user, &change))
}

/// The newest `limit` entries before `before`, as the object has them.
async fn listed(env: &Env, user: UserId, before: Option<u64>, limit: u32) -> Result<SnapshotList, Failure> {
    let list = ListSnapshots { before, limit };
    Ok(call::make(&call::sandbox(env, &SandboxId::personal(user))?, &list).await?)
}

/// How the snapshots stand, without any of them.
async fn summary(env: &Env, user: UserId) -> Result<SnapshotSummary, Failure> {
    Ok(listed(env, user, None, 1).await?.summary)
}

/// One entry.
async fn entry(env: &Env, user: UserId, id: SnapshotId) -> Result<ListedSnapshot, Failure> {
    let get = GetSnapshot { id };
    let found = call::make(&call::sandbox(env, &SandboxId::personal(user))?, &get).await?;
    found.ok_or_else(|| unknown(user, &id.to_string()))
}

/// The snapshot that `{snapshot}` of the path names.
async fn named(env: &Env, user: UserId, parameters: &Parameters) -> Result<SnapshotId, Failure> {
    let text = parameters.text("snapshot");
    if text == NEWEST {
        return summary(env, user).await?.head.ok_or_else(|| unknown(user, text));
    }
    SnapshotId::parse(text).map_err(|error| Problem::invalid("snapshot", format!("{error}, or {NEWEST}")).into())
}

fn unknown(user: UserId, name: &str) -> Failure {
    Problem::new(404, "unknown_backup", format!("{user} has no snapshot {name}."))
        .labelled("Not found")
        .into()
}
