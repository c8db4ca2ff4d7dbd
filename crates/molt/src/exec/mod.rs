//! `molt exec`: runs a command, passes on its output while it runs, and ends as it ended.

mod args;
mod outcome;
mod submit;
mod values;

pub use args::{Exec, Submission, What};
pub use submit::{submit, submit_with};
pub use values::millis;

use crate::client::{Client, ClientError};
use crate::console::Console;
use crate::follow::{Discard, Follower, Interrupts, Outcome, Pace, Patience, Sink, Stdio, Target};
use crate::show;
use molt_common::api::exec::{ExecAccepted, JobState};
use molt_common::id::UserId;
use molt_common::output::OutputCursor;
use std::process::ExitCode;

/// How `molt exec` and `molt jobs attach` end.
pub const EXIT_CODES: &str = "Exit codes:\n  \
    0 to 255  that of the command\n  \
    128 + N   signal N ended the command (137 KILL, 152 the limit of processor time)\n  \
    3         it has no exit code: it timed out, was cancelled, is lost, was rejected or could not be started; standard error says which\n  \
    130, 143  Ctrl-C or TERM: it was cancelled, or left running, as standard error says\n  \
    141       nobody read the output any more; the command goes on\n  \
    2         molt could not do it\n\n\
    The command may end with any of these itself; --json tells its end without doubt.";

/// Submits the command and follows it to its end.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, exec: &Exec, json: bool) -> Result<ExitCode, ClientError> {
    let mut console = Console::default();
    let request = exec.what.request()?;
    let user = user(client, &exec.user)?;
    // From here on an interruption must not leave a command behind that nobody knows of.
    let interrupts = exec.submission.interrupts()?;
    let key = exec.submission.key();
    let path = format!("/api/super/users/{user}/exec");
    let (answer, accepted) = submit::<ExecAccepted>(client, &path, &key, &request, Patience::default(), &mut console)?;
    let target = Target {
        user,
        exec_id: accepted.exec_id,
    };
    let Some(mut interrupts) = interrupts else {
        if json {
            show::line(&answer.to_string())?;
        } else {
            show::line(&target.job().to_string())?;
            console.say(&come_back(&target));
        }
        return Ok(ExitCode::SUCCESS);
    };
    follow(
        client,
        &target,
        OutputCursor::default(),
        &mut console,
        &mut interrupts,
        json,
    )
}

/// Follows a command from a position on: its exit code, or what shells have for an interruption.
///
/// # Errors
/// See [`ClientError`].
pub fn follow(
    client: &Client,
    target: &Target,
    from: OutputCursor,
    console: &mut Console,
    interrupts: &mut Interrupts,
    json: bool,
) -> Result<ExitCode, ClientError> {
    let sink: &mut dyn Sink = if json { &mut Discard } else { &mut Stdio };
    let outcome = Follower::new(client, target, from, sink, console, interrupts, Pace::default()).run()?;
    console.clear();
    let code = match outcome {
        Outcome::Ended(ending) => {
            if json {
                show::line(&client.get(&target.status(), true)?.to_string())?;
            }
            let (code, said) = outcome::told(&ending);
            if let Some(said) = said {
                console.say(&said);
            }
            // Only what was cancelled is the interruption's doing; a command that ended before tells its own end.
            match interrupts.cancelled() {
                true if ending.state == JobState::Cancelled => interrupts.exit_code(),
                _ => code,
            }
        }
        Outcome::Detached => {
            console.say(&format!("detached; {}", come_back(target)));
            interrupts.exit_code()
        }
        Outcome::ReaderGone => {
            console.say(&format!("nobody reads the output any more; {}", come_back(target)));
            outcome::READER_GONE
        }
        Outcome::Left => {
            console.say(&format!("not waiting for the end of {}", target.job()));
            interrupts.exit_code()
        }
    };
    Ok(ExitCode::from(code))
}

/// The id of a user given by id or by name.
///
/// # Errors
/// See [`Client::user`].
pub fn user(client: &Client, given: &str) -> Result<UserId, ClientError> {
    let id = client.user(given)?;
    UserId::parse(&id).map_err(|_| ClientError::Unexpected(format!("the look-up of {given}"), id))
}

fn come_back(target: &Target) -> String {
    format!("the command goes on: molt jobs attach {}", target.job())
}
