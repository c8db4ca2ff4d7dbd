//! Answers as people read them.

pub mod state;

use crate::client::ClientError;
use molt_common::api::lifecycle::{ImageState, KeepAliveState};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};

fn text(entry: &Value, key: &str) -> String {
    match entry.get(key) {
        None | Some(Value::Null) => "-".into(),
        Some(Value::Array(items)) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Some(other) => plain(other),
    }
}

/// A value on one line. What others wrote, such as a name, must not steer the operator's terminal.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.replace(char::is_control, "\u{fffd}")
}

/// Rows under headings, columns as wide as their longest cell.
pub fn table(columns: &[&str], entries: &[Value]) -> String {
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| columns.iter().map(|column| text(entry, column)).collect())
        .collect();
    let mut lines = vec![String::new(); rows.len() + 1];
    for (index, column) in columns.iter().enumerate() {
        let cells: Vec<&str> = std::iter::once(*column)
            .chain(rows.iter().filter_map(|row| row.get(index).map(String::as_str)))
            .collect();
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        for (line, cell) in lines.iter_mut().zip(cells) {
            line.push_str(&format!("{cell:<width$}  "));
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// Writes a line to standard output. A reader that went away, such as `head`, has what it wanted.
///
/// # Errors
/// [`ClientError::Output`].
pub fn line(text: &str) -> Result<(), ClientError> {
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn print(columns: &[&str], entries: &[Value], json: bool) -> Result<(), ClientError> {
    if json {
        line(&Value::from(entries).to_string())
    } else {
        line(&table(columns, entries))
    }
}

/// What one call answered: a row, or the answer itself as JSON.
fn print_one(columns: &[&str], answer: &Value, json: bool) -> Result<(), ClientError> {
    if json {
        line(&answer.to_string())
    } else {
        line(&table(columns, std::slice::from_ref(answer)))
    }
}

/// Columns of an admin key.
pub const KEY: &[&str] = &[
    "id",
    "name",
    "scopes",
    "enabled",
    "createdBy",
    "createdAt",
    "expiresAt",
    "lastUsedAt",
    "revokedAt",
];

/// `GET /health`.
///
/// # Errors
/// [`ClientError::Output`], as all of these.
pub fn health(answer: &Value, json: bool) -> Result<(), ClientError> {
    print(&["service", "status", "timestamp"], std::slice::from_ref(answer), json)
}

/// Users.
pub fn users(entries: &[Value], json: bool) -> Result<(), ClientError> {
    print(&["userId", "name", "email", "tier", "status"], entries, json)
}

/// One user.
pub fn user(answer: &Value, json: bool) -> Result<(), ClientError> {
    print_one(
        &["userId", "name", "email", "tier", "status", "createdAt"],
        answer,
        json,
    )
}

/// How a user stands after a call.
pub fn standing(answer: &Value, json: bool) -> Result<(), ClientError> {
    print_one(&["userId", "status", "changed", "listed"], answer, json)
}

/// Invitations.
pub fn invitations(entries: &[Value], json: bool) -> Result<(), ClientError> {
    print(&["email", "createdAt", "invitedBy", "usedAt", "usedBy"], entries, json)
}

/// What came of an invitation, or of taking one back.
pub fn invitation(answer: &Value, json: bool) -> Result<(), ClientError> {
    print_one(&["email", "invited", "changed", "listed"], answer, json)
}

/// Admin keys.
pub fn keys(entries: &[Value], json: bool) -> Result<(), ClientError> {
    print(KEY, entries, json)
}

/// One admin key.
pub fn key(answer: &Value, json: bool) -> Result<(), ClientError> {
    print_one(KEY, answer, json)
}

/// The image of a sandbox.
///
/// # Errors
/// See [`ClientError`], as of all of these.
pub fn image(answer: &Value, json: bool) -> Result<(), ClientError> {
    let words = in_words::<ImageState>(answer, |row, state| {
        row["nextImage"] = json!(state.next_image.as_ref().map(state::image));
    })?;
    print_one(
        &["userId", "generation", "image", "nextImage"],
        if json { answer } else { &words },
        json,
    )
}

/// When a sandbox may sleep.
pub fn keep_alive(answer: &Value, json: bool) -> Result<(), ClientError> {
    let words = in_words::<KeepAliveState>(answer, |row, state| {
        row["maySleep"] = state::keep_alive(state.keep_alive).into();
    })?;
    print_one(
        &["userId", "maySleep", "lastActiveAt", "sleepsAt", "wakesAt"],
        if json { answer } else { &words },
        json,
    )
}

/// Which hosts a sandbox reaches.
pub fn outbound(answer: &Value, json: bool) -> Result<(), ClientError> {
    print_one(
        &["userId", "allow", "deny", "version", "changedAt", "standing"],
        answer,
        json,
    )
}

/// An answer with some of it put in words.
fn in_words<T: DeserializeOwned>(answer: &Value, put: impl FnOnce(&mut Value, T)) -> Result<Value, ClientError> {
    let read = serde_json::from_value(answer.clone())
        .map_err(|_| ClientError::Unexpected("the API".into(), answer.to_string()))?;
    let mut words = answer.clone();
    put(&mut words, read);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::table;
    use serde_json::json;

    #[test]
    fn columns_line_up() {
        let shown = table(&["a", "bb"], &[json!({"a": "long", "bb": 1}), json!({"a": null})]);
        assert_eq!(shown, "a     bb\nlong  1\n-     -");
    }

    #[test]
    fn lists_stand_in_one_cell_and_names_do_not_steer_the_terminal() {
        let shown = table(&["a"], &[json!({"a": ["x:read", "y"]}), json!({"a": "\u{1b}[2J\nAda"})]);
        assert_eq!(shown, "a\nx:read,y\n\u{fffd}[2J\u{fffd}Ada");
    }
}
