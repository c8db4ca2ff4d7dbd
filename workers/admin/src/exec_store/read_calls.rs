//! Calls that read from the store, both ends in this worker.

use super::Row;
use molt_common::api::exec::{ExecList, ExecOutput};
use molt_common::exec_filter::ExecFilter;
use molt_common::id::ExecId;
use molt_common::object_call::Call;
use molt_common::output::OutputCursor;
use molt_common::output::events::LastEvent;
use serde::{Deserialize, Serialize};

/// List what is kept.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListExecs {
    /// Which page of which.
    pub filter: ExecFilter,
}

impl Call for ListExecs {
    const PATH: &'static str = "/list";
    type Answer = ExecList;
}

/// Wait for an end.
#[derive(Debug, Serialize, Deserialize)]
pub struct AwaitEnd {
    /// Of which exec.
    pub exec_id: ExecId,
    /// Milliseconds to wait, at most 25,000.
    pub wait_ms: u64,
}

impl Call for AwaitEnd {
    const PATH: &'static str = "/await-end";
    type Answer = Option<Row>;
}

/// Read what a command wrote after a position.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReadOutput {
    /// Of which exec.
    pub exec_id: ExecId,
    /// The position.
    pub after: OutputCursor,
    /// Most bytes of the answer, but one character at least.
    pub limit: u64,
    /// Milliseconds to wait for something to tell, or for the end; at most 25,000.
    pub wait_ms: u64,
}

/// Answer to [`ReadOutput`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum OutputRead {
    /// What follows the position.
    Output { output: Box<ExecOutput> },
    /// There is no such exec.
    Unknown,
    /// The command ended before the position.
    Beyond,
}

impl Call for ReadOutput {
    const PATH: &'static str = "/output";
    type Answer = OutputRead;
}

/// Follow what a command writes, as server-sent events.
#[derive(Debug, Serialize, Deserialize)]
pub struct FollowOutput {
    /// Of which exec.
    pub exec_id: ExecId,
    /// What was told last.
    #[serde(with = "last_event")]
    pub last: LastEvent,
}

mod last_event {
    use molt_common::output::events::LastEvent;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(last: &LastEvent, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(last)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LastEvent, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Answer to [`FollowOutput`] when it is no stream.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum NotFollowed {
    /// There is no such exec.
    Unknown,
    /// The command ended before the position.
    Beyond,
    /// The end was told already.
    Over,
    /// So many streams of this sandbox are open.
    TooMany { open: u32 },
}

impl Call for FollowOutput {
    const PATH: &'static str = "/follow";
    type Answer = NotFollowed;
}

/// Everything goes: commands, their output, and the chain of audit entries about them. Made when their user is removed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Erase {}

impl Call for Erase {
    const PATH: &'static str = "/erase";
    /// Rows that went; none when it is repeated.
    type Answer = u64;
}
