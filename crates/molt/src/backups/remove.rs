//! Taking a snapshot off the list asks twice: the operator, on a terminal, and the API, which gives a token for the second call.

use super::args::Remove;
use super::{named, path, read, table};
use crate::client::{Client, ClientError};
use crate::confirm::Question;
use crate::console::Console;
use crate::exec::user;
use crate::show;
use molt_common::api::backups::Backup;
use molt_common::problem::Obstacle;
use serde_json::{Value, json};

/// Does it.
///
/// # Errors
/// See [`ClientError`]; [`ClientError::Argument`] when nobody confirms.
pub fn run(client: &Client, asked: &Remove, json: bool) -> Result<(), ClientError> {
    let user = user(client, &asked.user)?;
    let snapshot = named(client, user, &asked.snapshot)?;
    let path = path(user, &format!("/{snapshot}"));
    if !asked.yes {
        confirm(&snapshot, &mut Console::default())?;
    }
    let answer = confirmed(client, "DELETE", &path)?;
    if json {
        return show::line(&answer.to_string());
    }
    table::one(&read::<Backup>(&path, answer)?)
}

/// Makes a call that is refused at first, and again with what the refusal gave.
///
/// # Errors
/// See [`ClientError`].
pub fn confirmed(client: &Client, method: &str, path: &str) -> Result<Value, ClientError> {
    match client.change(method, path, None, Some(&json!({}))) {
        Err(ClientError::Refused(problem)) if problem.code == "confirmation_required" => {
            let Some(Obstacle::Confirm(token)) = problem.obstacle.map(|obstacle| *obstacle) else {
                return Err(ClientError::Unexpected(path.into(), problem.detail));
            };
            client.change(method, path, None, Some(&json!({"confirm": token})))
        }
        other => other,
    }
}

fn confirm(snapshot: &str, console: &mut Console) -> Result<(), ClientError> {
    Question {
        name: snapshot.get(..8).unwrap_or(snapshot),
        warning: &format!("This takes the snapshot {snapshot} off the list for good."),
        without_terminal: "a snapshot that is removed does not come back: --yes says that it is meant",
        declined: "nothing was removed",
    }
    .ask(console)
}
