//! `molt exec`: runs a command and ends as it ended.

use crate::client::{Client, ClientError};
use molt_common::api::{ExecRequest, ExecStatus, JobState};
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// The command did not end by itself (timed out, cancelled, lost, rejected).
const NO_RESULT: u8 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Submits the command, waits for its end, prints its output and gives its exit code.
///
/// # Errors
/// See [`ClientError`].
pub fn run(
    client: &Client,
    user: &str,
    argv: &[String],
    timeout_ms: Option<u64>,
    json: bool,
) -> Result<ExitCode, ClientError> {
    let request = match argv {
        [line] => ExecRequest {
            command: Some(line.clone()),
            timeout_ms,
            ..ExecRequest::default()
        },
        argv => ExecRequest {
            argv: Some(argv.to_vec()),
            timeout_ms,
            ..ExecRequest::default()
        },
    };
    let path = format!("/api/super/users/{user}/exec");
    let accepted = client.post(&path, &request)?;
    let Some(poll) = accepted.get("pollUrl").and_then(Value::as_str) else {
        return Err(ClientError::Unexpected(path, accepted.to_string()));
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let answer = client.get(poll, true)?;
        let Ok(status) = serde_json::from_value::<ExecStatus>(answer.clone()) else {
            return Err(ClientError::Unexpected(poll.into(), answer.to_string()));
        };
        if status.state.is_terminal() {
            if json {
                println!("{answer}");
            } else {
                // A reader that went away is no failure of the command.
                let _ = std::io::stdout().write_all(status.stdout.as_bytes());
                let _ = std::io::stderr().write_all(status.stderr.as_bytes());
            }
            return Ok(exit_code(&status));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn exit_code(status: &ExecStatus) -> ExitCode {
    if let Some(code) = status.exit_code {
        return ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX));
    }
    if let (JobState::Failed, Some(signal)) = (status.state, status.signal) {
        return ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX));
    }
    eprintln!(
        "molt: {:?}: {}",
        status.state,
        status.error.as_deref().unwrap_or("no result")
    );
    ExitCode::from(NO_RESULT)
}
