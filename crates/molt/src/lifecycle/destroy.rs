//! Destroying asks twice: the operator, on a terminal, and the API, which gives a token for the second call.

use super::args::Destroy;
use super::{end, path};
use crate::client::{Client, ClientError};
use crate::confirm::Question;
use crate::console::Console;
use crate::exec::{submit_with, user};
use crate::follow::Patience;
use molt_common::api::lifecycle::{ChangeAccepted, DestroyRequest};
use molt_common::problem::Obstacle;
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
        discard_disk: false,
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
    Question {
        name: whose,
        warning: &format!("This stops the sandbox of {whose} and ends what runs in it; its disk is saved first."),
        without_terminal: "destroy stops a user's sandbox and ends what runs in it: --yes says that it is meant",
        declined: "nothing was destroyed",
    }
    .ask(console)
}
