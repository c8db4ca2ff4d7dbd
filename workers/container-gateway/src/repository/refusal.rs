//! Why a call to a repository was not answered as its caller wished.

use molt_common::problem::Problem;
use molt_platform::bucket::BucketError;

/// The caller's doing, or ours.
pub enum Refusal {
    /// He is told.
    Problem(Box<Problem>),
    /// He asked for bytes that an object of this size does not have.
    Unsatisfiable(u64),
    /// He is told to try again; the log says what happened.
    Failed(String),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<worker::Error> for Refusal {
    fn from(error: worker::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<BucketError> for Refusal {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::Digest => Problem::new(
                400,
                "wrong_digest",
                "The bytes are not those of the name: it must be their SHA-256. Nothing was stored.",
            )
            .into(),
            other => Self::Failed(other.to_string()),
        }
    }
}
