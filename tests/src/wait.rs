//! The only place that waits: for a condition, with a deadline.

use std::time::{Duration, Instant};

/// A condition is looked at this often.
const POLL: Duration = Duration::from_millis(50);

/// The condition did not come true in time.
#[derive(Debug, thiserror::Error)]
#[error("waited {waited:?} in vain until {what}")]
pub struct TimedOut {
    what: String,
    waited: Duration,
}

/// Asks until there is an answer.
///
/// # Errors
/// [`TimedOut`] when there is none after `limit`.
pub async fn try_until<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> Result<T, TimedOut> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        if begun.elapsed() >= limit {
            return Err(TimedOut {
                what: what.to_owned(),
                waited: limit,
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// [`try_until`] for tests.
///
/// # Panics
/// When there is no answer after `limit`.
pub async fn until<T>(what: &str, limit: Duration, ask: impl AsyncFnMut() -> Option<T>) -> T {
    try_until(what, limit, ask)
        .await
        .unwrap_or_else(|late| panic!("{late}"))
}

/// Waits for something that happens by itself.
///
/// # Panics
/// When it has not happened after `limit`.
pub async fn within<T>(what: &str, limit: Duration, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, event).await {
        Ok(value) => value,
        Err(_) => panic!("waited {limit:?} in vain until {what}"),
    }
}

/// Does something `times` times, `period` apart, because its duration is what is looked at: a socket that lives for minutes.
pub async fn repeatedly(times: u32, period: Duration, mut act: impl AsyncFnMut(u32)) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 0..times {
        ticks.tick().await;
        act(round).await;
    }
    ticks.tick().await;
}
