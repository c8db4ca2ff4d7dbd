//! `molt audit verify`.

use crate::client::{Client, ClientError, encoded};
use crate::show;
use clap::Subcommand;
use serde_json::Value;
use std::process::ExitCode;

/// What to do about the audit trail.
#[derive(Subcommand)]
pub enum Action {
    /// Walks along a chain to its end and compares its copy; ends with 1 when it is not as it was written.
    Verify {
        /// control-plane, exec:<user id> or sandbox:<user id>.
        #[arg(long, default_value = "control-plane")]
        chain: String,
    },
}

/// Does it and prints how the chain stands.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<ExitCode, ClientError> {
    let Action::Verify { chain } = action;
    let path = format!("/api/super/audit/verify?chain={}", encoded(chain));
    let mut report = client.get(&path, true)?;
    while let Some(cursor) = report.get("nextCursor").and_then(Value::as_str).map(encoded) {
        report = client.get(&format!("{path}&cursor={cursor}"), true)?;
    }
    show::chain(&report, json);
    let verified = report.get("verified").and_then(Value::as_bool) == Some(true);
    Ok(if verified { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
