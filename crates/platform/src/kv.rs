//! KV, bounded in time: nobody waits for it longer than he can afford, and whatever is wrong with it is an error that the caller may overlook.

use futures_util::future::{Either, select};
use std::pin::pin;
use std::time::Duration;
use worker::{Delay, Env, Error, Result};

/// The value of a key; `None` when there is none.
///
/// # Errors
/// When the binding is missing, or KV fails or does not answer within `limit`.
pub async fn get(env: &Env, binding: &str, key: &str, limit: Duration) -> Result<Option<String>> {
    let read = async {
        in_order(env).await?;
        Ok(env.kv(binding)?.get(key).text().await?)
    };
    bounded(read, limit).await
}

/// Stores a value; with `ttl_s` KV drops it after that many seconds (at least 60).
///
/// # Errors
/// As [`get`]. What was not answered in time may have been stored all the same.
pub async fn put(env: &Env, binding: &str, key: &str, value: &str, ttl_s: Option<u64>, limit: Duration) -> Result<()> {
    let write = async {
        in_order(env).await?;
        let put = env.kv(binding)?.put(key, value)?;
        let put = match ttl_s {
            Some(seconds) => put.expiration_ttl(seconds),
            None => put,
        };
        Ok(put.execute().await?)
    };
    bounded(write, limit).await
}

async fn bounded<T>(act: impl Future<Output = Result<T>>, limit: Duration) -> Result<T> {
    match select(pin!(act), Delay::from(limit)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(Error::RustError(format!("KV gave no answer within {limit:?}"))),
    }
}

/// Fails when a test wants KV to fail.
#[cfg_attr(
    not(feature = "induced-panic"),
    allow(clippy::unused_async, reason = "tests ask first")
)]
async fn in_order(#[allow(unused_variables, reason = "only tests ask")] env: &Env) -> Result<()> {
    #[cfg(feature = "induced-panic")]
    if crate::induced::fault(env, "kv").await {
        return Err(Error::RustError("KV fails by request".into()));
    }
    Ok(())
}
