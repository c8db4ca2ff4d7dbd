//! Restores an archive: it is verified as a whole before the first call, and its members go one after the other.

use super::{archive, read, stands, told};
use crate::client::{Client, ClientError, Failed};
use crate::confirm::Question;
use crate::console::Console;
use crate::show;
use clap::Args;
use molt_common::api::recovery::{FinishRequest, RestoreRequest, RestoreState, RestoreStatus};
use molt_common::recovery::archive::Verified;
use molt_common::recovery::{DIGEST, HEAD, MANIFEST};
use serde_json::Value;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

const PATH: &str = "/api/super/recovery/restore";
const FINISH: &str = "/api/super/recovery/restore/finish";
/// A call that fails in passing is made so often.
const ATTEMPTS: u32 = 12;
/// Longest pause between two of them where nobody says how long.
const LONGEST_PAUSE_S: u64 = 15;

/// Which archive, and how it is asked for.
#[derive(Args)]
pub struct Restore {
    /// The archive
    file: PathBuf,
    /// Verifies the archive, asks the platform whether it could begin, and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Does not ask, for scripts
    #[arg(long)]
    yes: bool,
}

/// Does it.
///
/// # Errors
/// See [`ClientError`]; [`ClientError::Argument`] names the member at which it stopped.
pub fn run(client: &Client, asked: &Restore, json: bool) -> Result<(), ClientError> {
    let verified = archive::verified(&asked.file)?;
    let mut console = Console::default();
    let could = begin(client, &verified, true)?;
    if asked.dry_run {
        told(&asked.file, &verified, json)?;
        if !json {
            show::line(&stands(&could))?;
        }
        return Ok(());
    }
    if could.state == RestoreState::Finished {
        let text = format!(
            "this archive was restored into this platform at {}",
            could.finished_at.unwrap_or_default()
        );
        return Err(ClientError::Argument(text));
    }
    if !asked.yes {
        confirm(client, &verified, &mut console)?;
    }
    let begun = begin(client, &verified, false)?;
    if begun.restored > 0 {
        console.say(&format!("goes on behind member {}", begun.restored));
    }
    send(client, asked, &verified, begun.restored, &mut console)?;
    let request = FinishRequest {
        archive: verified.id.clone(),
    };
    let answer = repeated(|| client.try_post(FINISH, &request))?;
    if json {
        return show::line(&answer.to_string());
    }
    show::line(&stands(&read(FINISH, &answer)?))
}

fn begin(client: &Client, verified: &Verified, dry_run: bool) -> Result<RestoreStatus, ClientError> {
    let request = RestoreRequest {
        archive: verified.id.clone(),
        exported_at: verified.manifest.head.exported_at.iso(),
        members: verified.manifest.members.len() as u64,
        dry_run,
    };
    let answer = repeated(|| client.try_post(PATH, &request))?;
    read(PATH, &answer)
}

fn send(
    client: &Client,
    asked: &Restore,
    verified: &Verified,
    restored: u64,
    console: &mut Console,
) -> Result<(), ClientError> {
    let members = verified.manifest.members.len();
    let mut number = 0;
    archive::members(&asked.file, |name, bytes| {
        if [HEAD, MANIFEST, DIGEST].contains(&name) {
            return Ok(());
        }
        number += 1;
        if number <= restored {
            return Ok(());
        }
        let path = format!("{PATH}/members/{number}?archive={}", verified.id);
        repeated(|| client.try_post_bytes(&path, "application/x-ndjson", bytes)).map_err(|error| {
            let done = number - 1;
            let text = format!(
                "{name}: {error}\n{done} of {members} members are restored, and nobody is let in; the same command goes on behind them"
            );
            ClientError::Argument(text)
        })?;
        console.say(&format!("{name} ({number} of {members})"));
        Ok(())
    })
}

/// Makes a call until it succeeds, or fails for good.
fn repeated(mut call: impl FnMut() -> Result<Value, Failed>) -> Result<Value, ClientError> {
    let mut attempt = 1;
    loop {
        match call() {
            Err(Failed::Passing { wait, .. }) if attempt < ATTEMPTS => {
                let pause = wait.unwrap_or_else(|| Duration::from_secs((1 << attempt.min(4)).min(LONGEST_PAUSE_S)));
                sleep(pause);
                attempt += 1;
            }
            other => return Ok(other?),
        }
    }
}

fn confirm(client: &Client, verified: &Verified, console: &mut Console) -> Result<(), ClientError> {
    Question {
        name: "restore",
        warning: &format!(
            "This makes the archive of {} with {} users the truth of {}.",
            verified.manifest.head.exported_at.iso(),
            verified.users,
            client.host()
        ),
        without_terminal: "this makes an archive the truth of a platform: --yes says that it is meant",
        declined: "nothing was restored",
    }
    .ask(console)
}
