//! When the edge answers: what a break of everything costs before any client could be back.

use crate::stack::Stack;
use crate::wait::until;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(10);
/// A question that waits for longer is asked again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks the public worker for something that needs no other, again and again, until it is dropped.
pub struct EdgeWatch {
    answers: Arc<Mutex<Vec<Instant>>>,
    task: JoinHandle<()>,
}

/// The longest time without an answer.
#[derive(Clone, Copy, Debug)]
pub struct Away {
    /// From the last answer before.
    pub took: Duration,
    /// When the first answer came after.
    pub back: Instant,
}

impl EdgeWatch {
    /// Begins.
    #[must_use]
    pub fn start(stack: &Stack) -> Self {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&answers);
        let url = format!("http://{}/health", stack.authority());
        let task = tokio::spawn(async move {
            let client = reqwest::Client::new();
            loop {
                let asked = client.get(&url).timeout(PATIENCE).send().await;
                if asked.is_ok_and(|answer| answer.status().is_success()) {
                    noted
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Instant::now());
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { answers, task }
    }

    /// The longest time without an answer after `since`.
    ///
    /// # Panics
    /// When it does not answer any more.
    pub async fn away(&self, since: Instant) -> Away {
        let now = Instant::now();
        let answers = until("the edge answers", PATIENCE, async || {
            let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
            answers.last().is_some_and(|last| *last > now).then_some(answers)
        })
        .await;
        let gaps = answers.windows(2).filter_map(|pair| match pair {
            [before, after] if *after > since => Some(Away {
                took: after.duration_since(*before),
                back: *after,
            }),
            _ => None,
        });
        gaps.max_by_key(|away| away.took).expect("two answers")
    }
}

impl Drop for EdgeWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
