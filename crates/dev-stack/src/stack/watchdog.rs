//! Notices a wrangler that runs and does not answer. A runtime that is killed is replaced by wrangler itself within a second; when it
//! was the one that holds the port, the new one waits for ever.

use std::time::Duration;

use tokio::sync::mpsc::Sender;

use crate::readiness::Probe;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// Longest wait for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);
/// Looks without an answer, one after the other, until it is reported: a machine under load is slow for a while.
const PATIENCE: u32 = 4;

/// Nothing answers on the port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silent {
    pub(super) port: u16,
}

/// Looks for as long as anybody listens to the reports.
pub(super) async fn watch(port: u16, probe: Probe, report: Sender<Silent>) {
    let mut silence = 0;
    loop {
        tokio::time::sleep(INTERVAL).await;
        silence = if probe.is_alive(port, ANSWER_LIMIT).await {
            0
        } else {
            silence + 1
        };
        if silence >= PATIENCE {
            silence = 0;
            if report.send(Silent { port }).await.is_err() {
                return;
            }
        }
    }
}
