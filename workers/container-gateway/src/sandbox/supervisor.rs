//! The control API of `sandboxd` in the object's container (see `molt_common::control`).

use molt_common::control::{
    AgentRestart, CONTROL_PORT, ControlError, EndSessions, ExecPage, ExecReport, ExecStart, RestartAgent,
    SessionsEnded, SupervisorStatus, WaitFor,
};
use molt_common::sandbox_call::FollowExec;
use molt_lifecycle::change::Reply;
use molt_platform::container::{Container, PortRequest, ask};
use serde::de::DeserializeOwned;
use std::time::Duration;
use worker::{Error, Result};

/// Most bytes of output that the supervisor tells at once.
const MAX_PAGE_BYTES: u64 = 1024 * 1024;

/// How the supervisor answered a question about a command.
pub enum ExecReply<T = ExecReport> {
    Report(Box<T>),
    Unknown,
    Refused(String),
    NotNow(String),
}

/// A connection to the supervisor of the current start.
pub struct Supervisor<'a> {
    pub container: &'a Container,
    pub token: String,
}

impl Supervisor<'_> {
    /// Asks anything; answers status and body.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&str>, timeout: Duration) -> Result<(u16, String)> {
        let port = self.container.port(CONTROL_PORT)?;
        ask(
            &port,
            &PortRequest {
                method,
                path,
                token: &self.token,
                body,
                timeout,
            },
        )
        .await
    }

    /// How it is.
    pub async fn status(&self) -> Result<SupervisorStatus> {
        let (status, text) = self.ask("GET", "/v1/status", None, Duration::from_secs(2)).await?;
        if status != 200 {
            return Err(Error::RustError(format!("the supervisor answered {status}")));
        }
        parse(&text)
    }

    /// Ends sessions; answers how many sockets are being closed.
    pub async fn end_sessions(&self, wanted: &EndSessions) -> Result<u32> {
        let body = serde_json::to_string(wanted)?;
        let patience = Duration::from_secs(2);
        match self.ask("POST", "/v1/sessions/end", Some(&body), patience).await? {
            (200, text) => Ok(parse::<SessionsEnded>(&text)?.sockets),
            (status, _) => Err(Error::RustError(format!("the supervisor answered {status}"))),
        }
    }

    /// Has the agent restarted; the same id again is the same restart.
    pub async fn restart_agent(&self, id: &str) -> Result<Reply> {
        let body = serde_json::to_string(&RestartAgent { id: id.to_owned() })?;
        let patience = Duration::from_secs(2);
        let (status, text) = self.ask("POST", "/v1/agent/restart", Some(&body), patience).await?;
        Ok(match status {
            200..=299 => match parse::<AgentRestart>(&text) {
                Ok(restart) if restart.id == id => Reply::Taken,
                _ => Reply::Unreachable,
            },
            // Another one is under way.
            409 => Reply::NotNow,
            400 | 404 | 405 | 413 | 422 => Reply::Refused(why(text)),
            other => match parse::<ControlError>(&text) {
                Ok(refusal) if matches!(refusal.code.as_str(), "busy" | "stopping" | "not_started" | "not_ready") => {
                    Reply::NotNow
                }
                _ => return Err(Error::RustError(format!("the supervisor answered {other}"))),
            },
        })
    }

    /// Tells it something that it takes once, however often it is told: 202 or 200 when it did.
    pub async fn tell(&self, method: &str, path: &str, body: &str) -> Result<Reply> {
        let (status, text) = self.ask(method, path, Some(body), Duration::from_secs(2)).await?;
        Ok(match status {
            200..=299 => Reply::Taken,
            // Another one is under way.
            409 => Reply::NotNow,
            400 | 404 | 405 | 413 | 422 => Reply::Refused(why(text)),
            other => match parse::<ControlError>(&text) {
                Ok(refusal) if matches!(refusal.code.as_str(), "busy" | "stopping" | "not_started" | "not_ready") => {
                    Reply::NotNow
                }
                _ => return Err(Error::RustError(format!("the supervisor answered {other}"))),
            },
        })
    }

    /// Starts a command.
    pub async fn start(&self, start: &ExecStart) -> Result<ExecReply> {
        let body = serde_json::to_string(start)?;
        reply(
            self.ask("POST", "/v1/exec", Some(&body), Duration::from_secs(8))
                .await?,
        )
    }

    /// Reads a report and what follows the cursor; waits as the call says, up to `wait_ms`.
    pub async fn follow(&self, follow: &FollowExec, wait_ms: u64) -> Result<ExecReply<ExecPage>> {
        let wait_for = match follow.wait_for {
            WaitFor::Output => "output",
            WaitFor::End => "end",
        };
        let path = format!(
            "/v1/exec/{}/output?after={}&waitMs={wait_ms}&waitFor={wait_for}&limitBytes={}",
            follow.exec_id,
            follow.after,
            follow.limit_bytes.clamp(1, MAX_PAGE_BYTES)
        );
        reply(
            self.ask("GET", &path, None, Duration::from_millis(wait_ms + 2_000))
                .await?,
        )
    }

    /// Stops a command.
    pub async fn cancel(&self, exec_id: &str) -> Result<ExecReply> {
        reply(
            self.ask("DELETE", &format!("/v1/exec/{exec_id}"), None, Duration::from_secs(5))
                .await?,
        )
    }
}

fn reply<T: DeserializeOwned>((status, text): (u16, String)) -> Result<ExecReply<T>> {
    match status {
        200..=299 => Ok(ExecReply::Report(Box::new(parse(&text)?))),
        404 => Ok(ExecReply::Unknown),
        400 | 409 | 413 | 422 => Ok(ExecReply::Refused(why(text))),
        // Only in the supervisor's own words: a 503 of anything between says nothing about whether it started.
        other => match parse::<ControlError>(&text) {
            Ok(refusal) if matches!(refusal.code.as_str(), "busy" | "stopping" | "not_started") => {
                Ok(ExecReply::NotNow(refusal.error))
            }
            _ => Err(Error::RustError(format!("the supervisor answered {other}"))),
        },
    }
}

/// What the supervisor says for people.
fn why(text: String) -> String {
    parse::<ControlError>(&text).map_or(text, |error| error.error)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::RustError(format!("the supervisor's answer: {error}")))
}
