//! Removing a user asks twice: the operator, on a terminal, and the API, which gives a token for the second call.

use crate::client::{Client, ClientError};
use crate::confirm::Question;
use crate::console::Console;
use crate::exec::{Submission, submit_with, user};
use crate::follow::Patience;
use crate::{jobs, show};
use bytesize::ByteSize;
use clap::Args;
use molt_common::api::lifecycle::ChangeAccepted;
use molt_common::api::removal::{RemovalReport, RemovalRequest};
use molt_common::id::UserId;
use molt_common::problem::Obstacle;
use serde_json::{Value, json};
use std::process::ExitCode;
use ureq::http::Method;

/// Whom, and how it is waited for.
#[derive(Debug, Args)]
pub struct Remove {
    /// User id or name
    user: String,
    /// Does not ask, for scripts
    #[arg(long)]
    yes: bool,
    /// Submission.
    #[command(flatten)]
    submission: Submission,
}

/// Does it, and shows the proof.
///
/// # Errors
/// See [`ClientError`]; [`ClientError::Argument`] when nobody confirms.
pub fn run(client: &Client, asked: &Remove, json: bool) -> Result<ExitCode, ClientError> {
    let mut console = Console::default();
    let id = user(client, &asked.user)?;
    if !asked.yes {
        confirm(&asked.user, &mut console)?;
    }
    let interrupts = asked.submission.interrupts()?;
    let key = asked.submission.key();
    let path = format!("/api/super/users/{id}");
    let submit = |body: &RemovalRequest, console: &mut Console| {
        submit_with::<ChangeAccepted>(client, Method::DELETE, &path, &key, body, Patience::default(), console)
    };
    let (answer, accepted) = match submit(&RemovalRequest::default(), &mut console) {
        Err(ClientError::Refused(problem)) if problem.code == "confirmation_required" => {
            let Some(Obstacle::Confirm(token)) = problem.obstacle.map(|obstacle| *obstacle) else {
                return Err(ClientError::Unexpected(path.clone(), problem.detail));
            };
            let confirm = Some(token);
            submit(&RemovalRequest { confirm }, &mut console)?
        }
        other => other?,
    };
    let Some(mut interrupts) = interrupts else {
        if json {
            show::line(&answer.to_string())?;
        } else {
            show::line(&accepted.job_id.to_string())?;
            console.say(&format!("the job goes on: molt jobs watch {}", accepted.job_id));
        }
        return Ok(ExitCode::SUCCESS);
    };
    let code = jobs::finish(client, &accepted.job_id, &mut console, &mut interrupts, json)?;
    if !json {
        show::line("")?;
        self::show(client, id, false)?;
    }
    Ok(code)
}

/// Shows what went and what was counted afterwards.
///
/// # Errors
/// See [`ClientError`].
pub fn show(client: &Client, id: UserId, json: bool) -> Result<(), ClientError> {
    let path = format!("/api/super/users/{id}/removal");
    let answer = client.get(&path, true)?;
    if json {
        return show::line(&answer.to_string());
    }
    let report: RemovalReport = serde_json::from_value(answer.clone())
        .map_err(|_| ClientError::Unexpected(path.clone(), answer.to_string()))?;
    let rows: Vec<Value> = report
        .places
        .iter()
        .map(|emptied| {
            json!({"place": emptied.place, "removed": emptied.removed, "bytes": ByteSize::b(emptied.bytes).display().iec().to_string(),
                "left": emptied.left})
        })
        .collect();
    show::line(&show::table(&["place", "removed", "bytes", "left"], &rows))?;
    let why = report.error.map(|why| format!(": {why}")).unwrap_or_default();
    show::line(&format!(
        "{}{}",
        report.state.word(),
        why.replace(char::is_control, "\u{fffd}")
    ))
}

fn confirm(whose: &str, console: &mut Console) -> Result<(), ClientError> {
    Question {
        name: whose,
        warning: &format!("This removes {whose} and all that is kept of him, snapshots too, for good."),
        without_terminal: "this removes a user and all that is kept of him, snapshots too: --yes says that it is meant",
        declined: "nobody was removed",
    }
    .ask(console)
}
