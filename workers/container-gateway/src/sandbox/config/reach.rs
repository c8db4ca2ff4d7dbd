//! Asking the supervisor of a sandbox about its configuration.

use crate::sandbox::supervisor::Supervisor;
use crate::sandbox_do::Sandbox;
use molt_common::control::ControlError;
use molt_common::control::config::{ConfigEdit, ConfigEdited, ConfigNow, ConfigStatus, HandOver};
use molt_lifecycle::sandbox::Stage;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use worker::Result;

/// A look at the disk takes a process.
const READ: Duration = Duration::from_secs(5);
/// The agent looks at a document, and takes it into use.
const WRITE: Duration = Duration::from_secs(30);

/// What it said.
pub enum Said<T> {
    /// What was asked for.
    Answer(T),
    /// No, for this reason.
    No {
        /// See `molt_common::control::config::code`.
        code: String,
        /// In words.
        error: String,
    },
    /// Nothing that can be understood.
    Nothing(String),
}

/// Whether there is a supervisor whose agent has come up.
pub fn is_running(object: &Sandbox) -> Result<bool> {
    Ok(object.store()?.load()?.stage == Stage::Running && object.container()?.running())
}

async fn ask<T: DeserializeOwned>(
    object: &Sandbox,
    method: &str,
    path: &str,
    body: Option<&impl Serialize>,
    patience: Duration,
) -> Result<Said<T>> {
    let container = object.container()?;
    let supervisor = Supervisor {
        container: &container,
        token: object.store()?.control_token()?,
    };
    let body = body.map(serde_json::to_string).transpose()?;
    Ok(match supervisor.ask(method, path, body.as_deref(), patience).await {
        Ok((200, text)) => match serde_json::from_str(&text) {
            Ok(answer) => Said::Answer(answer),
            Err(error) => Said::Nothing(error.to_string()),
        },
        Ok((status, text)) => match serde_json::from_str::<ControlError>(&text) {
            Ok(refusal) => Said::No {
                code: refusal.code,
                error: refusal.error,
            },
            Err(_) => Said::Nothing(format!("the supervisor answered {status}")),
        },
        Err(error) => Said::Nothing(error.to_string()),
    })
}

/// What is on the disk.
pub async fn now(object: &Sandbox) -> Result<Said<ConfigNow>> {
    ask(object, "GET", "/v1/config", None::<&()>, READ).await
}

/// Changes it.
pub async fn edit(object: &Sandbox, edit: &ConfigEdit) -> Result<Said<ConfigEdited>> {
    ask(object, "PUT", "/v1/config", Some(edit), WRITE).await
}

/// Tells a start what it begins with.
pub async fn hand_over(object: &Sandbox, order: &HandOver) -> Result<Said<ConfigStatus>> {
    ask(object, "PUT", "/v1/config/handed", Some(order), READ).await
}
