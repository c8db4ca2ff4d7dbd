//! Calls to the store, both ends in this worker.

use super::Row;
use super::announce::ExecJobView;
use molt_common::api::exec::ExecStats;
use molt_common::audit::Author;
use molt_common::control::ExecStart;
use molt_common::id::{ExecId, UserId};
use molt_common::job_id::JobId;
use molt_common::object_call::Call;
use serde::{Deserialize, Serialize};

/// A caller's key, and what it was used for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// Fingerprint of the request.
    pub fingerprint: String,
}

/// Accept a command.
#[derive(Debug, Serialize, Deserialize)]
pub struct Submit {
    /// Owner of the sandbox.
    pub user_id: UserId,
    /// His tier, for a start that this may cause.
    pub tier: u8,
    /// The command as lists show it.
    pub shown: String,
    /// The command for the supervisor.
    pub start: ExecStart,
    /// Key, if the caller gave one.
    pub idempotency: Option<Idempotency>,
    /// The job that it is a part of.
    pub parent: Option<JobId>,
    /// The user is suspended and his sandbox does not run: only what was accepted before is answered.
    #[serde(default)]
    pub shut_out: bool,
    /// Who submits it.
    pub author: Author,
}

/// Answer to [`Submit`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Submitted {
    /// Accepted now, or before under the same key.
    Accepted { row: Box<Row> },
    /// The key was used with another body.
    OtherBody,
    /// It would start the sandbox of a suspended user.
    ShutOut,
    /// Too many have not ended.
    Full {
        /// Begun and not ended.
        under_way: u32,
        /// Waiting for their turn.
        queued: u32,
        /// Seconds after which trying again is reasonable.
        retry_after_s: u32,
    },
}

impl Call for Submit {
    const PATH: &'static str = "/submit";
    type Answer = Submitted;
}

/// Read one exec, with the first and the last bytes of its output.
#[derive(Debug, Serialize, Deserialize)]
pub struct Get {
    /// Its id.
    pub exec_id: ExecId,
}

impl Call for Get {
    const PATH: &'static str = "/get";
    type Answer = Option<Row>;
}

/// Read one exec as a job, without its output.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReadJob {
    /// Its id.
    pub exec_id: ExecId,
}

impl Call for ReadJob {
    const PATH: &'static str = "/job";
    type Answer = Option<ExecJobView>;
}

/// Cancel one exec.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cancel {
    /// Its id.
    pub exec_id: ExecId,
    /// Who cancels it.
    pub author: Author,
}

impl Call for Cancel {
    const PATH: &'static str = "/cancel";
    type Answer = Option<Row>;
}

/// What does the store hold and do?
#[derive(Debug, Serialize, Deserialize)]
pub struct Stats {}

impl Call for Stats {
    const PATH: &'static str = "/stats";
    type Answer = ExecStats;
}
