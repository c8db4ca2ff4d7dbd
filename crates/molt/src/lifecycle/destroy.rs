//! Destroying asks twice: the operator, on a terminal, and the API, which gives a token for the second call.

use super::args::Destroy;
use super::{end, path};
use crate::client::{Client, ClientError};
use crate::console::Console;
use crate::exec::{submit_with, user};
use crate::follow::Patience;
use molt_common::api::lifecycle::{ChangeAccepted, DestroyRequest};
use molt_common::problem::Obstacle;
use std::io::{IsTerminal, stderr, stdin};
use std::process::ExitCode;
use ureq::http::Method;

/// Does it.
///
/// # Errors
/// See [`ClientError`]; [`ClientError::Argument`] when nobody confirms.
pub fn run(client: &Client, asked: &Destroy, json: bool) -> Result<ExitCode, ClientError> {
    let mut console = Console::default();
    let path = path(user(client, &asked.user)?, "destroy");
    if !asked.yes {
        confirm(&asked.user, &mut console)?;
    }
    let interrupts = asked.how.submission.interrupts()?;
    let key = asked.how.submission.key();
    let mut body = DestroyRequest {
        discard_disk: true,
        confirm: None,
        timeout_ms: asked.how.timeout,
    };
    let submit = |body: &DestroyRequest, console: &mut Console| {
        submit_with::<ChangeAccepted>(client, Method::POST, &path, &key, body, Patience::default(), console)
    };
    let (answer, accepted) = match submit(&body, &mut console) {
        Err(ClientError::Refused(problem)) if problem.code == "confirmation_required" => {
            let Some(Obstacle::Confirm(token)) = problem.obstacle.map(|obstacle| *obstacle) else {
                return Err(ClientError::Unexpected(path.clone(), problem.detail));
            };
            body.confirm = Some(token);
            submit(&body, &mut console)?
        }
        other => other?,
    };
    end(client, interrupts, &answer, &accepted, console, json)
}

fn confirm(whose: &str, console: &mut Console) -> Result<(), ClientError> {
    let refused = |text: &str| Err(ClientError::Argument(text.to_owned()));
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return refused("destroy discards all that a user has in his sandbox: --yes says that it is meant");
    }
    console.ask(&format!(
        "This discards all that {whose} has in the sandbox. Type {whose} to go on: "
    ));
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    console.entered();
    if line.trim() == whose {
        Ok(())
    } else {
        refused("nothing was destroyed")
    }
}
