//! Calls to D1 that somebody cannot wait for as long as they take: an alarm that hangs in one looks after nothing else meanwhile.

use futures_util::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use worker::{Delay, Env, Error, Result};

/// The outcome of `act`, when it comes within `limit`. What was not answered in time may have been done all the same, or be done later.
///
/// # Errors
/// Those of `act`, and that it took too long.
pub async fn in_time<T>(env: &Env, limit: Duration, act: impl Future<Output = Result<T>>) -> Result<T> {
    let act = async {
        answers(env).await;
        act.await
    };
    match select(pin!(act), pin!(Delay::from(limit))).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(Error::RustError(format!("D1 gave no answer within {limit:?}"))),
    }
}

/// Never comes back when a test wants D1 to hang.
#[cfg_attr(
    not(feature = "induced-panic"),
    allow(clippy::unused_async, reason = "tests ask first")
)]
async fn answers(#[allow(unused_variables, reason = "only tests ask")] env: &Env) {
    #[cfg(feature = "induced-panic")]
    if crate::induced::fault(env, "d1-hangs").await {
        std::future::pending::<()>().await;
    }
}
