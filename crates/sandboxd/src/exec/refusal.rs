//! Why a command was not started.

use std::io;

use super::validate::InvalidField;

/// Why a command was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartRefusal {
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    #[error("this execId was used for another request")]
    Conflict,
    #[error("the sandbox stops")]
    Stopping,
    #[error("too many commands run at the same time")]
    Busy,
    /// No process, no room on the disk: the command has certainly not begun, and its id is as new.
    #[error("it could not be started now: {0}")]
    NotStarted(io::Error),
    /// It has certainly not begun.
    #[error("the disk does not hold yet what it should")]
    NoDisk,
    /// Perhaps it runs; asking again tells.
    #[error("its state is not known now: {0}")]
    Unclear(io::Error),
}
