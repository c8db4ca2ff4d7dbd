//! What `serve` and a shim say to each other: one request per connection, a JSON line each way (output: a line and raw bytes).

use std::collections::BTreeMap;
use std::path::PathBuf;

use molt_common::control::{ExecReport, ExecState};
use serde::{Deserialize, Serialize};

use super::page::OutputQuery;
use crate::process::confine::Confinement;
use crate::process::exit::Exit;

/// A program and how it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// Path, or a name that is looked up in `PATH` of `env`.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// User, folder and priority.
    pub confinement: Confinement,
}

/// What a command's shim runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommandSpec {
    /// Id chosen by the caller.
    pub exec_id: String,
    /// What to run.
    pub launch: Launch,
    /// Text for its standard input.
    pub stdin: Option<String>,
    /// Milliseconds until it is stopped.
    pub timeout_ms: u64,
    /// Milliseconds between TERM and KILL.
    pub kill_grace_ms: u64,
    /// Bytes kept of each stream.
    pub max_output_bytes: u64,
    /// Where report and output go when they are final.
    pub folder: PathBuf,
}

/// The report of a command that has just started.
pub fn running_report(exec_id: &str, started_at: u64) -> ExecReport {
    ExecReport {
        exec_id: exec_id.to_owned(),
        state: ExecState::Running,
        exit_code: None,
        signal: None,
        stdout_bytes: 0,
        stderr_bytes: 0,
        truncated: false,
        started_at,
        completed_at: None,
        error: None,
    }
}

/// What the agent's shim runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentSpec {
    /// What to run.
    pub launch: Launch,
    /// Milliseconds between TERM and KILL.
    pub stop_grace_ms: u64,
    /// Where its output goes, redacted and limited in size.
    pub log_path: PathBuf,
    /// Where the report goes when it is final.
    pub result_path: PathBuf,
}

/// State of the agent's process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentReport {
    /// Its process id, when it was started.
    pub pid: Option<u32>,
    /// How it ended, once it has.
    pub exit: Option<Exit>,
    /// Why it could not be started.
    pub error: Option<String>,
    /// Its last lines, redacted, oldest first.
    pub log_tail: Vec<String>,
}

/// First and only line of a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request<S> {
    /// Start; answered once it runs or has failed to. Only the first connection may send it.
    Start {
        /// What to start.
        spec: S,
    },
    /// The state as it is now.
    Report,
    /// The final state, when it is final.
    Wait,
    /// The state and what was written after a cursor, as soon as there is what is waited for; answered in the form of [`super::page`].
    Output {
        /// What is wanted.
        query: OutputQuery,
    },
    /// Stop it; answered at once with the state as it is now.
    Stop {
        /// For people: becomes part of the report.
        reason: String,
        /// Most milliseconds between TERM and KILL, where less is left than the subject would take.
        grace_limit_ms: Option<u64>,
    },
}
