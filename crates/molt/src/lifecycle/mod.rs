//! What is asked of one sandbox: wake, restart, reset, destroy, tier, image, keep-alive. Each but the last is a job, whose end is waited for.

mod args;
mod destroy;

pub use args::{Destroy, Image, KeepAlive, Reset, Restart, Scope, Tier, Wake};

use crate::client::{Client, ClientError};
use crate::console::Console;
use crate::exec::{Submission, submit_with, user};
use crate::follow::Patience;
use crate::{jobs, show};
use molt_common::api::lifecycle::{
    ChangeAccepted, ImageRequest, KeepAlivePolicy, KeepAliveRequest, ResetRequest, RestartRequest, TierRequest,
    WakeRequest,
};
use molt_common::id::UserId;
use serde::Serialize;
use serde_json::json;
use std::process::ExitCode;
use ureq::http::Method;

/// Wakes a sandbox.
///
/// # Errors
/// See [`ClientError`], as all of these.
pub fn wake(client: &Client, asked: &Wake, json: bool) -> Result<ExitCode, ClientError> {
    let body = WakeRequest {
        timeout_ms: asked.how.timeout,
    };
    change(
        client,
        &asked.user,
        (Method::POST, "wake"),
        &body,
        &asked.how.submission,
        json,
    )
}

/// Restarts one.
///
/// # Errors
/// See [`ClientError`].
pub fn restart(client: &Client, asked: &Restart, json: bool) -> Result<ExitCode, ClientError> {
    let body = RestartRequest {
        scope: Some(asked.scope.into()),
        discard_disk: asked.discard_disk,
        timeout_ms: asked.how.timeout,
    };
    change(
        client,
        &asked.user,
        (Method::POST, "restart"),
        &body,
        &asked.how.submission,
        json,
    )
}

/// Kills what is in one and starts it with what was saved last.
///
/// # Errors
/// See [`ClientError`].
pub fn reset(client: &Client, asked: &Reset, json: bool) -> Result<ExitCode, ClientError> {
    let body = ResetRequest {
        discard_disk: asked.discard_disk,
        timeout_ms: asked.how.timeout,
    };
    change(
        client,
        &asked.user,
        (Method::POST, "emergency-reset"),
        &body,
        &asked.how.submission,
        json,
    )
}

/// Stops one for good, after a confirmation.
///
/// # Errors
/// See [`ClientError`].
pub fn destroy(client: &Client, asked: &Destroy, json: bool) -> Result<ExitCode, ClientError> {
    destroy::run(client, asked, json)
}

/// Gives one another tier.
///
/// # Errors
/// See [`ClientError`].
pub fn tier(client: &Client, asked: &Tier, json: bool) -> Result<ExitCode, ClientError> {
    let body = TierRequest {
        tier: asked.tier,
        discard_disk: asked.discard_disk,
        timeout_ms: asked.how.timeout,
    };
    change(
        client,
        &asked.user,
        (Method::PUT, "tier"),
        &body,
        &asked.how.submission,
        json,
    )
}

/// Shows the image of one, or chooses it.
///
/// # Errors
/// See [`ClientError`].
pub fn image(client: &Client, asked: &Image, json: bool) -> Result<ExitCode, ClientError> {
    if !asked.chooses() {
        let id = user(client, &asked.user)?;
        show::image(&client.get(&path(id, "image"), true)?, json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let body = ImageRequest {
        channel: asked.channel.map(|channel| channel.word().to_owned()),
        name: asked.name.clone(),
        pin: asked.pin,
        rollback: asked.rollback,
        discard_disk: asked.discard_disk,
        timeout_ms: asked.how.timeout,
    };
    change(
        client,
        &asked.user,
        (Method::PUT, "image"),
        &body,
        &asked.how.submission,
        json,
    )
}

/// Shows when one may sleep, or says it.
///
/// # Errors
/// See [`ClientError`].
pub fn keep_alive(client: &Client, asked: &KeepAlive, json: bool) -> Result<(), ClientError> {
    let path = path(user(client, &asked.user)?, "keep-alive");
    let (policy, after) = (asked.policy.map(KeepAlivePolicy::from), asked.after);
    let answer = match policy {
        None => client.get(&path, true)?,
        Some(policy) => {
            let seconds = after.map(|ms| u32::try_from(ms / 1_000).unwrap_or(u32::MAX));
            client.change("PUT", &path, None, Some(&json!(KeepAliveRequest { policy, seconds })))?
        }
    };
    show::keep_alive(&answer, json)
}

fn path(user: UserId, verb: &str) -> String {
    format!("/api/super/users/{user}/{verb}")
}

fn change(
    client: &Client,
    whose: &str,
    (method, verb): (Method, &str),
    body: &impl Serialize,
    submission: &Submission,
    json: bool,
) -> Result<ExitCode, ClientError> {
    let mut console = Console::default();
    let path = path(user(client, whose)?, verb);
    let interrupts = submission.interrupts()?;
    let patience = Patience::default();
    let (answer, accepted) =
        submit_with::<ChangeAccepted>(client, method, &path, &submission.key(), body, patience, &mut console)?;
    end(client, interrupts, &answer, &accepted, console, json)
}

/// Waits for the end of what was accepted, unless nothing is waited for.
fn end(
    client: &Client,
    interrupts: Option<crate::follow::Interrupts>,
    answer: &serde_json::Value,
    accepted: &ChangeAccepted,
    mut console: Console,
    json: bool,
) -> Result<ExitCode, ClientError> {
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
