//! `molt jobs`: what goes on and what came of it.

mod args;
pub mod children;
mod outcome;
mod table;
pub mod watch;

pub use args::Action;

use crate::client::{Client, ClientError, encoded};
use crate::console::Console;
use crate::exec;
use crate::follow::{Interrupts, OnInterrupt, Target};
use crate::show;
use args::{Attach, Cancel, List};
use molt_common::api::JobState;
use molt_common::api::jobs::{JobList, JobView};
use molt_common::job_id::{JobId, JobKind};
use molt_common::output::OutputCursor;
use serde_json::Value;
use std::process::ExitCode;
use watch::Watched;

/// Not everything succeeded.
pub const NOT_ALL: u8 = 1;
/// Most that a page has.
const PAGE: usize = 200;

/// Does it.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<ExitCode, ClientError> {
    match action {
        Action::List(asked) => list(client, asked, json)?,
        Action::Show(which) => show(client, &which.job(client)?, json)?,
        Action::Attach(asked) => return attach(client, asked, json),
        Action::Cancel(asked) => return cancel(client, asked, json),
        Action::Watch(which) => {
            let job = which.job(client)?;
            let mut interrupts = Interrupts::take(OnInterrupt::Detach)?;
            return finish(client, &job, &mut Console::default(), &mut interrupts, json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(client: &Client, asked: &List, json: bool) -> Result<(), ClientError> {
    let user = asked.user.as_deref().map(|user| exec::user(client, user)).transpose()?;
    let mut filter = String::new();
    for (name, value) in [
        ("kind", asked.kind.map(|kind| kind.word().to_owned())),
        ("user", user.map(|user| user.to_string())),
        ("state", asked.state.map(|state| state.word().to_owned())),
        ("parent", asked.parent.as_ref().map(JobId::to_string)),
    ] {
        if let Some(value) = value {
            filter.push_str(&format!("&{name}={}", encoded(&value)));
        }
    }
    let (mut jobs, mut cursor) = (Vec::<JobView>::new(), String::new());
    while jobs.len() < asked.limit {
        let limit = (asked.limit - jobs.len()).min(PAGE);
        let path = format!("/api/super/jobs?limit={limit}{filter}{cursor}");
        let answer = client.get(&path, true)?;
        let page: JobList = serde_json::from_value(answer.clone())
            .map_err(|_| ClientError::Unexpected(path.clone(), answer.to_string()))?;
        jobs.extend(page.jobs);
        match page.next_cursor.map(|next| format!("&cursor={}", encoded(&next))) {
            Some(next) if next != cursor => cursor = next,
            _ => break,
        }
    }
    jobs.truncate(asked.limit);
    if json {
        return show::line(&serde_json::to_string(&jobs).map_err(std::io::Error::from)?);
    }
    table::print(&jobs)
}

fn show(client: &Client, job: &JobId, json: bool) -> Result<(), ClientError> {
    let path = watch::path(job);
    let answer = client.get(&path, true)?;
    if json {
        return show::line(&answer.to_string());
    }
    let view = watch::read(&path, &answer)?;
    table::print(std::slice::from_ref(&view))?;
    outcome::print(&view)?;
    if view.progress.is_some() {
        show::line("")?;
        children::print(view.kind, &children::of(client, job)?)?;
    }
    Ok(())
}

fn attach(client: &Client, asked: &Attach, json: bool) -> Result<ExitCode, ClientError> {
    let job = asked.which.job(client)?;
    let (JobKind::Exec, Some(user)) = (job.kind(), job.owner()) else {
        return Err(ClientError::Argument(format!(
            "{job} has no output of its own: molt jobs watch {job}"
        )));
    };
    let exec_id = job.local().clone();
    let target = Target { user, exec_id };
    let mut interrupts = Interrupts::take(asked.on_interrupt)?;
    let from = if asked.from_now {
        written(client, &target)?
    } else {
        OutputCursor::default()
    };
    exec::follow(client, &target, from, &mut Console::default(), &mut interrupts, json)
}

/// Behind everything that was written so far.
fn written(client: &Client, target: &Target) -> Result<OutputCursor, ClientError> {
    let status = client.get(&target.status(), true)?;
    let count = |name: &str| status.get(name).and_then(Value::as_u64);
    match (count("stdoutBytes"), count("stderrBytes")) {
        (Some(stdout), Some(stderr)) => Ok(OutputCursor { stdout, stderr }),
        _ => Err(ClientError::Unexpected(target.status(), status.to_string())),
    }
}

fn cancel(client: &Client, asked: &Cancel, json: bool) -> Result<ExitCode, ClientError> {
    let job = asked.which.job(client)?;
    let mut console = Console::default();
    let mut answer = client.delete(&watch::path(&job))?;
    let mut view = watch::read(&watch::path(&job), &answer)?;
    if !view.state.is_terminal() && !asked.no_wait {
        let mut interrupts = Interrupts::take(OnInterrupt::Detach)?;
        match watch::watch(client, &job, &mut console, &mut interrupts)? {
            Watched::Ended(last, read) => (answer, view) = (last, *read),
            Watched::Detached | Watched::Left => {
                console.say(&format!("not waiting for the end of {job}"));
                return Ok(ExitCode::from(interrupts.exit_code()));
            }
        }
    }
    if json {
        show::line(&answer.to_string())?;
    } else {
        table::print(std::slice::from_ref(&view))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for a job and its parts and prints what came of them.
///
/// # Errors
/// See [`ClientError`].
pub fn finish(
    client: &Client,
    job: &JobId,
    console: &mut Console,
    interrupts: &mut Interrupts,
    json: bool,
) -> Result<ExitCode, ClientError> {
    let (answer, view) = match watch::watch(client, job, console, interrupts)? {
        Watched::Ended(answer, view) => (answer, view),
        Watched::Detached => {
            console.clear();
            console.say(&format!("detached; the job goes on: molt jobs watch {job}"));
            return Ok(ExitCode::from(interrupts.exit_code()));
        }
        Watched::Left => {
            console.clear();
            console.say(&format!("not waiting for the end of {job}"));
            return Ok(ExitCode::from(interrupts.exit_code()));
        }
    };
    if json {
        show::line(&answer.to_string())?;
    } else {
        table::print(std::slice::from_ref(&*view))?;
        outcome::print(&view)?;
        if view.progress.is_some() {
            show::line("")?;
            children::print(view.kind, &children::of(client, job)?)?;
        }
    }
    if (view.kind, view.state) == (JobKind::Lifecycle, JobState::Cancelled) {
        console.say("what it had begun in the sandbox goes on: molt state shows it");
    }
    Ok(ExitCode::from(match view.state {
        _ if interrupts.cancelled() && view.state == JobState::Cancelled => interrupts.exit_code(),
        JobState::Succeeded
            if view
                .progress
                .is_none_or(|progress| progress.succeeded == progress.total) =>
        {
            0
        }
        _ => NOT_ALL,
    }))
}
