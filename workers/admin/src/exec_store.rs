//! The store of exec results: one SQLite Durable Object per sandbox, driven by its alarm.

pub mod announce;
pub mod calls;
pub mod drive;
mod list;
pub mod queue;
pub mod read_calls;
mod read_output;
pub mod recovery;
pub mod sighting;
pub mod store;
mod stream;
pub mod watch;

use molt_common::api::ExecStatus;
use molt_common::api::exec::ExecSummary;
use molt_common::id::{ExecId, SandboxId, UserId};
use molt_common::time::Millis;
use molt_lifecycle::exec::ExecJob;
use serde::{Deserialize, Serialize};
use worker::{Env, Result, Stub};

/// Binding of the store's objects.
const BINDING: &str = "EXEC_RESULT_STORE";

/// The one object that stores the results of a user's personal sandbox.
pub fn stub(env: &Env, user: UserId) -> Result<Stub> {
    env.durable_object(BINDING)?
        .get_by_name(SandboxId::personal(user).as_str())
}

/// Output of a command as a status shows it: of each stream the first and the last bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Output {
    /// Standard output; invalid UTF-8 is replaced.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Bytes written, kept or not.
    pub stdout_bytes: u64,
    /// Bytes written, kept or not.
    pub stderr_bytes: u64,
    /// Whether anything was left out, here or of what is kept.
    pub truncated: bool,
}

/// One exec as the store holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its id.
    pub exec_id: ExecId,
    /// Owner of the sandbox.
    pub user_id: UserId,
    /// The command, as given.
    pub command: String,
    /// Where it stands.
    pub job: ExecJob,
    /// What it wrote.
    pub output: Output,
}

impl Row {
    /// As lists show it.
    pub fn into_summary(self) -> ExecSummary {
        ExecSummary {
            exec_id: self.exec_id,
            command: self.command,
            state: self.job.state,
            status: self.job.state.status().into(),
            exit_code: self.job.exit_code,
            signal: self.job.signal,
            stdout_bytes: self.output.stdout_bytes,
            stderr_bytes: self.output.stderr_bytes,
            created_at: self.job.created_at.iso(),
            started_at: self.job.started_at.map(Millis::iso),
            completed_at: self.job.completed_at.map(Millis::iso),
            generation: self.job.generation,
            error: self.job.error,
        }
    }

    /// As the API shows it.
    pub fn into_status(self) -> ExecStatus {
        ExecStatus {
            exec_id: self.exec_id,
            found: true,
            user_id: self.user_id,
            command: self.command,
            state: self.job.state,
            status: self.job.state.status().into(),
            exit_code: self.job.exit_code,
            signal: self.job.signal,
            stdout: self.output.stdout,
            stderr: self.output.stderr,
            stdout_bytes: self.output.stdout_bytes,
            stderr_bytes: self.output.stderr_bytes,
            truncated: self.output.truncated,
            created_at: self.job.created_at.iso(),
            started_at: self.job.started_at.map(Millis::iso),
            completed_at: self.job.completed_at.map(Millis::iso),
            generation: self.job.generation,
            error: self.job.error,
        }
    }
}
