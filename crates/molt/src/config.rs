//! `molt config`: the configuration of a user's agent, with its history.

use crate::client::{Client, ClientError, encoded};
use crate::exec::user;
use crate::show;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::Read;

/// Columns of a history.
const VERSION: &[&str] = &["version", "at", "author", "source", "reason", "hash"];
/// How much of a hash a table shows.
const SHORT: usize = 12;

/// What is to be done with it.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Prints the user's part; `--json` prints every layer.
    Get {
        /// User id or name
        user: String,
        /// Prints what the agent finds instead: all layers together
        #[arg(long)]
        effective: bool,
    },
    /// Replaces the user's part by a JSON document.
    Set(Change),
    /// Merges a JSON document into the user's part: objects merge, arrays are replaced, null takes a key away.
    Patch(Change),
    /// Lists the versions, newest first.
    History {
        /// User id or name
        user: String,
    },
    /// Prints what differs between two versions, as a JSON Patch.
    Diff {
        /// User id or name
        user: String,
        /// From this version
        from: u64,
        /// To this one; the current one when not given
        to: Option<u64>,
    },
    /// Makes an earlier version count again.
    Rollback {
        /// User id or name
        user: String,
        /// Which version of the history
        version: u64,
        /// How.
        #[command(flatten)]
        how: How,
    },
}

/// A change of the document.
#[derive(Debug, Args)]
pub struct Change {
    /// User id or name
    user: String,
    /// JSON; `@FILE` reads a file, `-` standard input
    document: String,
    /// How.
    #[command(flatten)]
    how: How,
}

/// What goes with a change.
#[derive(Debug, Args)]
pub struct How {
    /// Why, for the history and the audit trail
    #[arg(long)]
    reason: Option<String>,
    /// Only when the user's part has this content hash
    #[arg(long, value_name = "HASH")]
    if_hash: Option<String>,
}

/// Does it.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<(), ClientError> {
    match action {
        Action::Get { user: given, effective } => {
            let answer = client.get(&path(client, given, "")?, true)?;
            match (json, effective) {
                (true, _) => show::line(&answer.to_string()),
                (false, true) => pretty(&answer["effective"]),
                (false, false) => pretty(&answer["layers"]["user"]),
            }
        }
        Action::Set(change) => edit(client, "PUT", change, json),
        Action::Patch(change) => edit(client, "PATCH", change, json),
        Action::History { user: given } => {
            let versions = client.list(&path(client, given, "/history")?, "history")?;
            if json {
                return show::line(&Value::from(versions).to_string());
            }
            let rows: Vec<Value> = versions.into_iter().map(row).collect();
            show::line(&show::table(VERSION, &rows))
        }
        Action::Diff { user: given, from, to } => {
            let to = to.map(|to| format!("&to={to}")).unwrap_or_default();
            let answer = client.get(&path(client, given, &format!("/diff?from={from}{to}"))?, true)?;
            if json {
                show::line(&answer.to_string())
            } else {
                pretty(&answer["diff"])
            }
        }
        Action::Rollback {
            user: given,
            version,
            how,
        } => {
            let body = json!({"version": version, "reason": how.reason});
            let path = path(client, given, "/rollback")?;
            changed(
                &client.change_matching("POST", &path, how.if_hash.as_deref(), Some(&body))?,
                json,
            )
        }
    }
}

fn path(client: &Client, given: &str, rest: &str) -> Result<String, ClientError> {
    Ok(format!("/api/super/users/{}/config{rest}", user(client, given)?))
}

fn edit(client: &Client, method: &str, change: &Change, json: bool) -> Result<(), ClientError> {
    let document = document(&change.document)?;
    let reason = change.how.reason.as_deref().map(encoded);
    let reason = reason.map(|reason| format!("?reason={reason}")).unwrap_or_default();
    let path = path(client, &change.user, &reason)?;
    let answer = client.change_matching(method, &path, change.how.if_hash.as_deref(), Some(&document))?;
    changed(&answer, json)
}

fn changed(answer: &Value, json: bool) -> Result<(), ClientError> {
    if json {
        return show::line(&answer.to_string());
    }
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    show::line(&format!(
        "version {}: {} ({})",
        answer["version"],
        text("message"),
        text("hash")
    ))
}

/// A document as it is given on the command line.
///
/// # Errors
/// [`ClientError::Argument`] for what cannot be read or is no JSON.
pub fn document(given: &str) -> Result<Value, ClientError> {
    let refused = |error: &dyn std::fmt::Display| ClientError::Argument(format!("the document: {error}"));
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| refused(&error))?,
        None if given == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| refused(&error))?;
            text
        }
        None => given.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| refused(&error))
}

fn row(mut version: Value) -> Value {
    if let Some(short) = version["hash"].as_str().and_then(|hash| hash.get(..SHORT)) {
        version["hash"] = short.into();
    }
    version
}

fn pretty(value: &Value) -> Result<(), ClientError> {
    show::line(&serde_json::to_string_pretty(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::document;
    use serde_json::json;

    #[test]
    fn documents_are_given_as_text_or_in_a_file() {
        assert_eq!(document(r#"{"a": 1}"#).ok(), Some(json!({"a": 1})));
        assert!(document("{a").is_err() && document("@/nowhere/at/all").is_err());
    }
}
