//! Requests to stop: Ctrl-C, TERM, or a terminal that is closed.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Counts the requests to stop. Clones see the same count.
#[derive(Clone, Debug)]
pub struct StopSignal {
    count: watch::Receiver<u32>,
}

impl StopSignal {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let (sender, count) = watch::channel(0);
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let mut signals = signal(kind)?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    sender.send_modify(|count| *count += 1);
                }
            });
        }
        Ok(Self { count })
    }

    /// Waits for the first request; returns at once when there was one.
    pub async fn requested(&mut self) {
        self.at_least(1).await;
    }

    /// Whether there was more than one.
    pub fn is_repeated(&self) -> bool {
        *self.count.borrow() > 1
    }

    /// Waits for one more than were made so far.
    pub async fn again(&mut self) {
        let next = self.count.borrow().saturating_add(1);
        self.at_least(next).await;
    }

    async fn at_least(&mut self, wanted: u32) {
        if self.count.wait_for(|count| *count >= wanted).await.is_err() {
            // Nobody can ask any more, so nobody ever will.
            std::future::pending::<()>().await;
        }
    }
}
