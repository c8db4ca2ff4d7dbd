//! A panic ends the request that it happened in, and nothing else.
//!
//! The workers are built to unwind. Without this a panic becomes an exception of the runtime, and what the client gets is the runtime's page
//! without a request id; with it, the caller answers as for any other failure. What traps instead (no memory, no stack, `unreachable`) cannot be
//! caught: the runtime then makes a new instance of the module.

use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;

/// What was done for a request ended in a panic. Its text has gone to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

impl From<Panicked> for worker::Error {
    fn from(_: Panicked) -> Self {
        Self::RustError("a panic ended it".into())
    }
}

/// Does something for one request.
///
/// Nothing that outlives the request may be left half changed where it could panic: state belongs into storage, and what isolates remember
/// is replaced whole.
///
/// # Errors
/// [`Panicked`].
pub async fn unwound<T>(doing: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(doing).catch_unwind().await.map_err(|_| Panicked)
}
