//! `molt backups`: the snapshots of a sandbox.

mod access;
mod args;
mod import;
pub mod remove;
mod table;

pub use args::Action;

use crate::client::{Client, ClientError};
use crate::console::Console;
use crate::exec::{submit, user};
use crate::follow::Patience;
use crate::{jobs, show};
use args::{Diff, How, One, Restore, Verify};
use molt_common::api::backups::{Backup, BackupList, BackupRequest, NEWEST, RestoreRequest, VerifyRequest};
use molt_common::api::lifecycle::ChangeAccepted;
use molt_common::id::UserId;
use molt_common::snapshot::SnapshotId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::process::ExitCode;

/// Fewer digits of an id than these name nothing.
const FEWEST_DIGITS: usize = 4;
/// Pages of a list that are searched for an id.
const PAGE: u32 = 200;

/// Does it.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<ExitCode, ClientError> {
    match action {
        Action::Ls(asked) => {
            let user = user(client, &asked.user)?;
            let (pages, list) = all(client, user)?;
            if json {
                show::line(&Value::from(pages).to_string())?;
            } else {
                table::list(&list)?;
            }
        }
        Action::Save(asked) => {
            let user = user(client, &asked.user)?;
            let body = BackupRequest {
                timeout_ms: asked.how.timeout,
            };
            return job(client, &path(user, ""), &body, &asked.how, json);
        }
        Action::Prune(asked) => {
            let user = user(client, &asked.user)?;
            let body = BackupRequest {
                timeout_ms: asked.how.timeout,
            };
            return job(client, &path(user, "/prune"), &body, &asked.how, json);
        }
        Action::Show(asked) => one(client, asked, None, json)?,
        Action::Pin(asked) => one(client, asked, Some("pin"), json)?,
        Action::Unpin(asked) => one(client, asked, Some("unpin"), json)?,
        Action::Release(asked) => one(client, asked, Some("release"), json)?,
        Action::Diff(asked) => return diff(client, asked, json),
        Action::Restore(asked) => return restore(client, asked, json),
        Action::Verify(asked) => return verify(client, asked, json),
        Action::Rm(asked) => remove::run(client, asked, json)?,
        Action::Import(asked) => import::run(client, asked, json)?,
        Action::Access(asked) => access::run(client, asked, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn diff(client: &Client, asked: &Diff, json: bool) -> Result<ExitCode, ClientError> {
    let user = user(client, &asked.one.user)?;
    let snapshot = named(client, user, &asked.one.snapshot)?;
    let body = RestoreRequest {
        dry_run: true,
        timeout_ms: asked.how.timeout,
        ..RestoreRequest::default()
    };
    job(
        client,
        &path(user, &format!("/{snapshot}/restore")),
        &body,
        &asked.how,
        json,
    )
}

fn restore(client: &Client, asked: &Restore, json: bool) -> Result<ExitCode, ClientError> {
    let user = user(client, &asked.user)?;
    let snapshot = named(client, user, &asked.snapshot)?;
    let body = RestoreRequest {
        path: asked.path.clone(),
        to: asked.to.clone(),
        dry_run: false,
        discard_disk: asked.discard_disk,
        timeout_ms: asked.how.timeout,
    };
    job(
        client,
        &path(user, &format!("/{snapshot}/restore")),
        &body,
        &asked.how,
        json,
    )
}

fn verify(client: &Client, asked: &Verify, json: bool) -> Result<ExitCode, ClientError> {
    let user = user(client, &asked.one.user)?;
    let snapshot = named(client, user, &asked.one.snapshot)?;
    let body = VerifyRequest {
        full: asked.full,
        timeout_ms: asked.how.timeout,
    };
    job(
        client,
        &path(user, &format!("/{snapshot}/verify")),
        &body,
        &asked.how,
        json,
    )
}

/// Shows one snapshot, after what was decided about it.
fn one(client: &Client, asked: &One, decision: Option<&str>, json: bool) -> Result<(), ClientError> {
    let user = user(client, &asked.user)?;
    let snapshot = named(client, user, &asked.snapshot)?;
    let answer = match decision {
        None => client.get(&path(user, &format!("/{snapshot}")), true)?,
        Some(verb) => client.post_empty(&path(user, &format!("/{snapshot}/{verb}")))?,
    };
    if json {
        return show::line(&answer.to_string());
    }
    table::one(&read::<Backup>("a snapshot", answer)?)
}

fn path(user: UserId, below: &str) -> String {
    format!("/api/super/users/{user}/backups{below}")
}

fn read<T: DeserializeOwned>(what: &str, answer: Value) -> Result<T, ClientError> {
    serde_json::from_value(answer.clone()).map_err(|_| ClientError::Unexpected(what.into(), answer.to_string()))
}

/// Submits a job and waits for its end, unless nothing is waited for.
fn job(client: &Client, path: &str, body: &impl Serialize, how: &How, json: bool) -> Result<ExitCode, ClientError> {
    let mut console = Console::default();
    let interrupts = how.submission.interrupts()?;
    let key = how.submission.key();
    let (answer, accepted) = submit::<ChangeAccepted>(client, path, &key, body, Patience::default(), &mut console)?;
    let Some(mut interrupts) = interrupts else {
        if json {
            show::line(&answer.to_string())?;
        } else {
            show::line(&accepted.job_id.to_string())?;
            console.say(&format!("the job goes on: molt jobs watch {}", accepted.job_id));
        }
        return Ok(ExitCode::SUCCESS);
    };
    jobs::finish(client, &accepted.job_id, &mut console, &mut interrupts, json)
}

/// All entries, and the first page, which tells how they stand.
fn all(client: &Client, user: UserId) -> Result<(Vec<Value>, BackupList), ClientError> {
    let path = path(user, &format!("?limit={PAGE}"));
    let first = client.get(&path, true)?;
    let mut list: BackupList = read(&path, first)?;
    let entries = client.list(&path, "backups")?;
    list.backups = read(&path, Value::from(entries.clone()))?;
    Ok((entries, list))
}

/// The snapshot that an operator means: a whole id, `latest`, or the first digits of one.
fn named(client: &Client, user: UserId, given: &str) -> Result<String, ClientError> {
    if given == NEWEST || SnapshotId::parse(given).is_ok() {
        return Ok(given.to_owned());
    }
    let digits = given.len() >= FEWEST_DIGITS && given.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !digits {
        return Err(ClientError::Argument(format!(
            "{given:?} is no snapshot: an id, at least {FEWEST_DIGITS} of its first digits, or {NEWEST}"
        )));
    }
    let (_, list) = all(client, user)?;
    let found: Vec<String> = list
        .backups
        .iter()
        .map(|backup| backup.id.to_string())
        .filter(|id| id.starts_with(given))
        .collect();
    match found.as_slice() {
        [id] => Ok(id.clone()),
        [] => Err(ClientError::Argument(format!("no snapshot begins with {given}"))),
        several => Err(ClientError::Argument(format!(
            "{} snapshots begin with {given}: {}",
            several.len(),
            several.join(", ")
        ))),
    }
}
