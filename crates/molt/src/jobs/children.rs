//! The parts of a job about many users.

use super::watch;
use crate::client::{Client, ClientError};
use crate::show;
use molt_common::id::{ExecId, UserId};
use molt_common::job_id::{JobId, JobKind};
use serde_json::{Value, json};

const COLUMNS: &[&str] = &["userId", "state", "exitCode", "job", "error"];
/// Of restarts, which have no exit code.
const WITHOUT_EXIT: &[&str] = &["userId", "state", "job", "error"];

/// All of them, in the order in which they are begun.
///
/// # Errors
/// See [`ClientError`].
pub fn of(client: &Client, job: &JobId) -> Result<Vec<Value>, ClientError> {
    client.list(&format!("{}/children", watch::path(job)), "children")
}

/// Prints them, parts of a job of this kind.
///
/// # Errors
/// [`ClientError::Output`].
pub fn print(kind: JobKind, children: &[Value]) -> Result<(), ClientError> {
    let rows: Vec<Value> = children.iter().map(row).collect();
    let columns = if kind == JobKind::BulkExec {
        COLUMNS
    } else {
        WITHOUT_EXIT
    };
    show::line(&show::table(columns, &rows))
}

fn row(child: &Value) -> Value {
    let text = |name: &str| child.get(name).and_then(Value::as_str);
    let user = text("userId").and_then(|user| UserId::parse(user).ok());
    let exec = text("execId").and_then(|exec| ExecId::parse(exec).ok());
    // A release that told no job of a part told its command.
    let job = match text("jobId") {
        Some(job) => JobId::parse(job).ok(),
        None => user.zip(exec).map(|(user, exec)| JobId::exec(user, exec)),
    };
    json!({
        "userId": child.get("userId"), "state": child.get("state"), "exitCode": child.get("exitCode"), "job": job,
        "error": child.get("error"),
    })
}
