//! `molt recovery`: the control plane in one archive, and back into an empty platform.

mod archive;
mod export;
mod restore;

use crate::client::{Client, ClientError};
use crate::show;
use clap::Subcommand;
use molt_common::api::recovery::RestoreStatus;
use molt_common::recovery::archive::Verified;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What is to be done about the control plane as a whole.
#[derive(Subcommand)]
pub enum Action {
    /// Writes users, keys, flags, lists of snapshots, wrapped keys of repositories, configurations and audit chains into one archive, and verifies it.
    Export {
        /// A file that does not exist yet; only you may read it
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Looks, without a platform, whether an archive is whole and true: every member, every row, every audit chain.
    Verify {
        /// The archive
        file: PathBuf,
    },
    /// Restores an archive into an empty platform that has the same root keys and the same bucket. Broken off, the same command goes on where it was.
    Restore(restore::Restore),
    /// Shows how the restore into this platform stands.
    Status,
}

/// Does it.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<(), ClientError> {
    match action {
        Action::Export { to } => export::run(client, to, json),
        Action::Verify { file } => told(file, &archive::verified(file)?, json),
        Action::Restore(asked) => restore::run(client, asked, json),
        Action::Status => {
            let answer = client.get("/api/super/recovery", true)?;
            if json {
                return show::line(&answer.to_string());
            }
            let status = read("/api/super/recovery", &answer)?;
            show::line(&stands(&status))?;
            for user in &status.begun_again {
                show::line(&format!(
                    "{user}: nobody can open his repository of before; another was begun beside it"
                ))?;
            }
            Ok(())
        }
    }
}

fn read(path: &str, answer: &serde_json::Value) -> Result<RestoreStatus, ClientError> {
    let read = serde_json::from_value(answer.clone());
    read.map_err(|_| ClientError::Unexpected(path.to_owned(), answer.to_string()))
}

fn stands(status: &RestoreStatus) -> String {
    use molt_common::api::recovery::RestoreState;
    let word = match status.state {
        RestoreState::None => return "nothing was restored into this platform".into(),
        RestoreState::Possible => "can begin",
        RestoreState::Restoring => "under way",
        RestoreState::Finished => "finished",
    };
    let archive = status.archive.as_deref().unwrap_or_default();
    format!("{word}: {} of {} members of {archive}", status.restored, status.members)
}

/// What an archive holds.
fn told(file: &Path, verified: &Verified, json: bool) -> Result<(), ClientError> {
    let manifest = &verified.manifest;
    let bytes: u64 = manifest.members.iter().map(|member| member.bytes).sum();
    if json {
        let told = json!({"file": file, "archive": verified.id, "exportedAt": manifest.head.exported_at.iso(), "release": manifest.head.release,
            "users": verified.users, "members": manifest.members.len(), "bytes": bytes, "rows": manifest.rows});
        return show::line(&told.to_string());
    }
    let rows: Vec<_> = manifest
        .rows
        .iter()
        .map(|(table, rows)| json!({"table": table, "rows": rows}))
        .collect();
    show::line(&show::table(&["table", "rows"], &rows))?;
    show::line(&format!(
        "{}: whole and true; {} users, {} members, {bytes} bytes, made {}",
        file.display(),
        verified.users,
        manifest.members.len(),
        manifest.head.exported_at.iso()
    ))
}
