//! Changing the document of an agent that runs: through its own protocol, which checks it by its schema and takes it into use.

use std::time::Duration;

use molt_common::redaction;
use serde_json::{Value, json};

use super::link::{Link, LinkError};
use crate::settings::Layout;

/// How long the agent may take to put a document into use: it waits for what it starts again for it.
const APPLY_PATIENCE: Duration = Duration::from_secs(15);
/// What it says of a document that was written by somebody else meanwhile.
const MOVED: &str = "config changed since last load";

/// How the agent answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// It took it.
    Taken {
        /// And starts its inner parts again for it.
        restarts: bool,
    },
    /// The document on the disk is another one by now.
    Moved,
    /// Its schema does not take it.
    Invalid(String),
    /// It did not say, or said that it may have.
    Unclear(String),
}

/// An admitted connection, and which document the agent has on the disk.
pub struct Writer {
    link: Link,
    base: Value,
}

impl Writer {
    /// Asks which document is there. What is read from the disk after this and put over it is refused if it was another one.
    pub async fn open(layout: &Layout) -> Result<Self, LinkError> {
        let mut link = Link::open(layout).await?;
        let mut answer = link.call("config.get", json!({})).await?;
        let base = answer["hash"].take();
        Ok(Self { link, base })
    }

    /// Has the agent take a whole document.
    pub async fn apply(&mut self, document: &Value) -> Reply {
        let asked = json!({ "raw": document.to_string(), "baseHash": self.base });
        match self.link.call_within("config.apply", asked, APPLY_PATIENCE).await {
            Ok(answer) => Reply::Taken {
                restarts: answer["sentinel"]["payload"]["stats"]["requiresRestart"] == true
                    || answer["restart"].is_object(),
            },
            Err(LinkError::Refused { message, .. }) if message.contains(MOVED) => Reply::Moved,
            Err(LinkError::Refused { code, message }) if code == "INVALID_REQUEST" => {
                Reply::Invalid(redaction::text(&message).into_owned())
            }
            Err(error) => Reply::Unclear(redaction::text(&error.to_string()).into_owned()),
        }
    }
}
