//! Requests to a user's agent while something else goes on: how long each took.

use crate::people::User;
use crate::stack::Stack;
use std::time::{Duration, Instant};

const APART: Duration = Duration::from_millis(50);

/// Times of answers.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Sorted.
    pub times: Vec<Duration>,
    /// Answers that were not 200, and requests without one.
    pub failed: u32,
}

impl Answers {
    /// A percentile, `0.5` for the median.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        percentile(&self.times, share)
    }
}

/// A percentile of sorted times; zero when there are none.
#[must_use]
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )] // An index.
    let at = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

impl Stack {
    /// Does something, and meanwhile asks the user's agent for an echo again and again.
    pub async fn beside_echoes<T>(&self, user: &User, doing: impl Future<Output = T>) -> (T, Answers) {
        let mut answers = Answers::default();
        let asking = async {
            loop {
                let begun = Instant::now();
                match self.get("/echo").user(user).attempt().await {
                    Ok(reply) if reply.status == 200 => answers.times.push(begun.elapsed()),
                    Ok(_) | Err(_) => answers.failed += 1,
                }
                tokio::time::sleep(APART).await;
            }
        };
        let value = tokio::select! {
            value = doing => value,
            () = asking => unreachable!("it asks for ever"),
        };
        answers.times.sort_unstable();
        (value, answers)
    }
}
