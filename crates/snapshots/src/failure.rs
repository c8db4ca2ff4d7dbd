//! Why an order was not carried out.

use rustic_core::RusticError;
use std::path::Path;

/// Why an order was not carried out, in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Names the object or the path.
    pub message: String,
    /// Whether the same order may succeed later.
    pub transient: bool,
}

impl Failure {
    /// Something that stays wrong however often it is tried.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            transient: false,
        }
    }

    /// Something that may be over soon.
    pub fn passing(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            transient: true,
        }
    }

    /// A call to the file system about `path` that failed.
    pub fn disk(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        if error.raw_os_error() == Some(rustix::io::Errno::NOSPC.raw_os_error())
            || error.raw_os_error() == Some(rustix::io::Errno::DQUOT.raw_os_error())
        {
            return Self::lasting(format!("the disk is full: {doing} {}", path.display()));
        }
        Self::lasting(format!("{doing} {}: {error}", path.display()))
    }
}

impl From<Box<RusticError>> for Failure {
    fn from(error: Box<RusticError>) -> Self {
        Self::lasting(error.display_log())
    }
}

/// The result of a step.
pub type Outcome<T> = Result<T, Failure>;
