//! What is refused before anybody was asked, in the words of the supervisor's API (`molt_common::control::ControlError`).

use molt_common::control::ControlError;
use molt_common::control::files::BadQuery;
use molt_platform::respond;
use molt_repository_reader::{FetchError, ReadError};
use web_sys::Response;
use worker::{Error, Result};

/// Why not.
pub enum Refusal {
    /// A parameter makes no sense.
    Query(BadQuery),
    /// It would change what is saved.
    ReadOnly,
    /// It needs a sandbox that runs.
    NotRunning,
    /// There is no snapshot that could answer.
    NoSnapshot,
    /// The repository says so, or is not as it was written.
    Read(ReadError),
    /// What is at the path is not what was asked for: a stable code, and words.
    Kind(&'static str, &'static str),
    /// The supervisor did not answer.
    Unreachable,
    /// Our own fault.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl Refusal {
    /// The answer to it.
    pub fn response(&self) -> Result<Response> {
        let (status, code, text) = match self {
            Self::Query(bad) => (400, "invalid_request", bad.to_string()),
            Self::ReadOnly => (400, "read_only", "snapshots are never changed".to_owned()),
            Self::NotRunning => (
                409,
                "sandbox_not_running",
                "the sandbox does not run, and nothing starts it for this; wake it first".to_owned(),
            ),
            Self::NoSnapshot => (
                404,
                "no_snapshot",
                "the sandbox does not run, and there is no such snapshot".to_owned(),
            ),
            Self::Read(ReadError::NotFound) => (404, "not_found", "there is nothing at this path".to_owned()),
            Self::Read(ReadError::NotAFolder) => (409, "not_a_folder", "a part of the path is no folder".to_owned()),
            Self::Read(error @ ReadError::TooLarge { .. }) => (409, "snapshot_too_large", error.to_string()),
            Self::Read(
                error @ ReadError::Fetch {
                    why: FetchError::Failed(_),
                    ..
                },
            ) => (503, "snapshot_unreachable", error.to_string()),
            Self::Read(error) => (502, "snapshot_damaged", error.to_string()),
            Self::Kind(code, text) => (409, *code, (*text).to_owned()),
            Self::Unreachable => (
                503,
                "sandbox_unreachable",
                "the sandbox did not answer; try again in a moment".to_owned(),
            ),
            Self::Failed(_) => (500, "internal", "it failed on our side".to_owned()),
        };
        let told = ControlError {
            code: code.to_owned(),
            error: text,
        };
        respond::json(status, &told)
    }
}
