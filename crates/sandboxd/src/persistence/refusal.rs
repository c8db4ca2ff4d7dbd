//! Why a request about the disk was not taken.

/// Why a request about the disk was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskRefusal {
    /// A field cannot be so; its name comes first.
    #[error("{0}")]
    Invalid(String),
    /// Something else is under way, or was said before.
    #[error("{0}")]
    Conflict(String),
    /// Not now; later perhaps.
    #[error("{0}")]
    NotReady(&'static str),
    /// The sandbox stops.
    #[error("the sandbox stops")]
    Stopping,
}
