//! `molt bulk`: one command in the sandboxes of many users.

use crate::client::{Client, ClientError};
use crate::console::Console;
use crate::exec::{self, Submission, What, submit};
use crate::follow::Patience;
use crate::{jobs, show};
use clap::{Args, Subcommand};
use molt_common::api::bulk::{BulkAccepted, BulkExecRequest, BulkOptions};
use molt_common::id::UserId;
use std::process::ExitCode;

const PATH: &str = "/api/super/bulk/exec";
/// The word for everybody; `--users` names nobody else by it.
const ALL: &str = "all";

/// What is to be done for many.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Runs a command in the sandboxes of many users and waits for all; ends with 0 only if each of them succeeded, else with 1.
    Exec(Box<Bulk>),
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
    let Action::Exec(bulk) = action;
    let mut console = Console::default();
    let request = BulkExecRequest {
        exec: bulk.what.request()?,
        options: BulkOptions {
            user_ids: whose(client, &bulk.users)?,
            concurrency: bulk.concurrency,
            stop_after_failures: bulk.stop_after_failures,
        },
    };
    let interrupts = bulk.submission.interrupts()?;
    let key = bulk.submission.key();
    let (answer, accepted) = submit::<BulkAccepted>(client, PATH, &key, &request, Patience::default(), &mut console)?;
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
