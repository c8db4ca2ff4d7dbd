//! Announcing beside the work of an alarm step: D1 being slow or away neither delays nor fails a job.

use super::DATABASE;
use super::outbox::Outbox;
use crate::{entropy, log};
use futures_util::future::{Either, select};
use molt_common::time::Millis;
use serde_json::json;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use worker::{Delay, Env, Error, Result, State};

/// News are looked for this often, and so gathered for as long.
const LOOK: Duration = Duration::from_millis(500);
/// After a failure the next attempt in the same step comes after this long.
const PAUSE: Duration = Duration::from_secs(3);
/// One attempt takes at most this long.
const ATTEMPT: Duration = Duration::from_secs(4);
/// The last attempt of a step takes at most this long.
const LAST_ATTEMPT: Duration = Duration::from_millis(1_200);
/// What could not be told is told by another step after this long.
const AGAIN_MS: u64 = 5_000;

/// Does the work of a step, and announces meanwhile and at the end. Answers when to try again, if it must be.
pub async fn beside<T>(state: &State, env: &Env, work: impl Future<Output = T>) -> (T, Option<Millis>) {
    let announced = pin!(announce(state, env));
    let outcome = match select(pin!(work), announced).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right((never, _)) => match never {},
    };
    let again = match attempt(state, env, LAST_ATTEMPT).await {
        Ok(()) => None,
        Err(error) => {
            log::error("jobs_not_announced", json!({"error": error.to_string()}));
            Some(entropy::now().plus(AGAIN_MS))
        }
    };
    (outcome, again)
}

async fn announce(state: &State, env: &Env) -> std::convert::Infallible {
    loop {
        Delay::from(LOOK).await;
        if let Err(error) = attempt(state, env, ATTEMPT).await {
            log::error("jobs_not_announced", json!({"error": error.to_string()}));
            Delay::from(PAUSE).await;
        }
    }
}

/// An attempt that is given up may still arrive: the index takes nothing that is older than what it has.
async fn attempt(state: &State, env: &Env, longest: Duration) -> Result<()> {
    let outbox = Outbox::of(&state.storage().sql());
    if outbox.is_empty()? {
        return Ok(());
    }
    let database = env.d1(DATABASE)?;
    match select(
        pin!(outbox.deliver(&database, entropy::now())),
        pin!(Delay::from(longest)),
    )
    .await
    {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(Error::RustError("D1 did not answer in time".into())),
    }
}
