//! `molt bulk`: one command in the sandboxes of many users, their restart, or a patch of their configuration.

use crate::client::{Client, ClientError};
use crate::config;
use crate::console::Console;
use crate::exec::{self, Submission, What, submit};
use crate::follow::Patience;
use crate::lifecycle::Scope;
use crate::{jobs, show};
use clap::{Args, Subcommand};
use molt_common::api::bulk::{BulkAccepted, BulkExecRequest, BulkOptions};
use molt_common::api::config::BulkConfigRequest;
use molt_common::api::lifecycle::BulkRestartRequest;
use molt_common::id::UserId;
use serde::Serialize;
use std::process::ExitCode;

const EXEC: &str = "/api/super/bulk/exec";
const CONFIG: &str = "/api/super/bulk/config-patch";
const RESTART: &str = "/api/super/bulk/restart";
/// The word for everybody; `--users` names nobody else by it.
const ALL: &str = "all";

/// What is to be done for many.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Runs a command in the sandboxes of many users and waits for all; ends with 0 only if each of them succeeded, else with 1.
    Exec(Box<Bulk>),
    /// Restarts the sandboxes of many users and waits for all; ends with 0 only if each of them succeeded, else with 1.
    Restart(Box<Restart>),
    /// Merges a patch into the configuration of many users' agents and waits for all; ends with 0 only if each of them took it, else with 1.
    ConfigPatch(Box<ConfigPatch>),
}

/// Whose configuration is patched, and how.
#[derive(Debug, Args)]
pub struct ConfigPatch {
    /// Users by id or name, separated by commas, or `all` for every active one
    #[arg(long, value_name = "USERS", required = true, value_delimiter = ',')]
    pub users: Vec<String>,
    /// JSON; `@FILE` reads a file, `-` standard input
    pub patch: String,
    /// Users at once, 1 to 50; 5 when not given
    #[arg(long)]
    pub concurrency: Option<u32>,
    /// Begins no further one after that many did not take it
    #[arg(long, value_name = "N")]
    pub stop_after_failures: Option<u32>,
    /// Why, for the history and the audit trail
    #[arg(long)]
    pub reason: Option<String>,
    /// How it is submitted and waited for.
    #[command(flatten)]
    pub submission: Submission,
}

/// Whose sandboxes are restarted, and how.
#[derive(Debug, Args)]
pub struct Restart {
    /// Users by id or name, separated by commas, or `all` for every active one whose sandbox runs
    #[arg(long, value_name = "USERS", required = true, value_delimiter = ',')]
    pub users: Vec<String>,
    /// Restarts under way at once, 1 to 50; 5 when not given
    #[arg(long)]
    pub concurrency: Option<u32>,
    /// Time between the beginning of one and of the next, such as 5s
    #[arg(long, value_name = "DURATION", value_parser = exec::millis)]
    pub delay: Option<u64>,
    /// What is started again
    #[arg(long, value_enum, default_value_t = Scope::Agent)]
    pub scope: Scope,
    /// The disks may go
    #[arg(long)]
    pub discard_disk: bool,
    /// Begins no further one after that many did not succeed
    #[arg(long, value_name = "N")]
    pub stop_after_failures: Option<u32>,
    /// Time until one has failed, such as 90s or 10m; 5m when not given
    #[arg(long, value_name = "DURATION", value_parser = exec::millis)]
    pub timeout: Option<u64>,
    /// How it is submitted and waited for.
    #[command(flatten)]
    pub submission: Submission,
}

/// For whom, and how many at once.
#[derive(Debug, Args)]
pub struct Bulk {
    /// Users by id or name, separated by commas, or `all` for every active one
    #[arg(long, value_name = "USERS", required = true, value_delimiter = ',')]
    pub users: Vec<String>,
    /// Commands under way at once, 1 to 50; 5 when not given
    #[arg(long)]
    pub concurrency: Option<u32>,
    /// Begins no further one after that many did not succeed
    #[arg(long, value_name = "N")]
    pub stop_after_failures: Option<u32>,
    /// How it is submitted and waited for.
    #[command(flatten)]
    pub submission: Submission,
    /// What is run.
    #[command(flatten)]
    pub what: What,
}

/// Does it.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<ExitCode, ClientError> {
    match action {
        Action::Exec(bulk) => {
            let request = BulkExecRequest {
                exec: bulk.what.request()?,
                options: BulkOptions {
                    user_ids: whose(client, &bulk.users)?,
                    concurrency: bulk.concurrency,
                    stop_after_failures: bulk.stop_after_failures,
                },
            };
            begin(client, EXEC, &request, &bulk.submission, json)
        }
        Action::Restart(bulk) => {
            let request = BulkRestartRequest {
                user_ids: whose(client, &bulk.users)?,
                concurrency: bulk.concurrency,
                delay_ms: bulk.delay,
                scope: Some(bulk.scope.into()),
                discard_disk: bulk.discard_disk,
                stop_after_failures: bulk.stop_after_failures,
                timeout_ms: bulk.timeout,
                ..BulkRestartRequest::default()
            };
            begin(client, RESTART, &request, &bulk.submission, json)
        }
        Action::ConfigPatch(bulk) => {
            let request = BulkConfigRequest {
                patch: config::document(&bulk.patch)?,
                user_ids: whose(client, &bulk.users)?,
                concurrency: bulk.concurrency,
                stop_after_failures: bulk.stop_after_failures,
                reason: bulk.reason.clone(),
            };
            begin(client, CONFIG, &request, &bulk.submission, json)
        }
    }
}

fn begin(
    client: &Client,
    path: &str,
    request: &impl Serialize,
    submission: &Submission,
    json: bool,
) -> Result<ExitCode, ClientError> {
    let mut console = Console::default();
    let interrupts = submission.interrupts()?;
    let key = submission.key();
    let (answer, accepted) = submit::<BulkAccepted>(client, path, &key, request, Patience::default(), &mut console)?;
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

/// `None` for everybody.
fn whose(client: &Client, given: &[String]) -> Result<Option<Vec<UserId>>, ClientError> {
    if let [one] = given
        && one == ALL
    {
        return Ok(None);
    }
    if given.iter().any(|user| user == ALL) {
        return Err(ClientError::Argument(format!("--users: {ALL} stands alone")));
    }
    let mut users = Vec::new();
    for user in given {
        let user = exec::user(client, user)?;
        if !users.contains(&user) {
            users.push(user);
        }
    }
    Ok(Some(users))
}
