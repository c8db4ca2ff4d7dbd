//! What a client is told when the agent's end of its socket is gone without a word.

use std::time::Duration;

use molt_common::close_code::{INTERNAL_ERROR, SERVICE_RESTART};
use molt_common::control::SupervisorPhase;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::agent::AgentState;

/// The connection may be seen to end before the process that held it.
const NOTICE: Duration = Duration::from_millis(500);
/// When connecting again makes sense.
const RETRY_AFTER_MS: u64 = 1_000;

/// What a close frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Legal to send.
    pub code: u16,
    /// For people.
    pub reason: String,
}

impl Closing {
    /// See the fields.
    pub const fn new(code: u16, reason: String) -> Self {
        Self { code, reason }
    }

    /// When connecting again makes sense, in milliseconds: where whatever was behind the socket comes back.
    pub fn retry_after_ms(&self) -> Option<u64> {
        matches!(self.code, INTERNAL_ERROR..=1014).then_some(RETRY_AFTER_MS)
    }
}

/// Why the agent's end is gone: it is being started again, or it runs and has dropped this socket.
pub async fn why(mut agent: watch::Receiver<AgentState>) -> Closing {
    let ended = agent.wait_for(|state| state.phase != SupervisorPhase::Ready);
    match timeout(NOTICE, ended).await {
        Ok(Ok(state)) if state.phase == SupervisorPhase::Stopping => Closing::new(
            SERVICE_RESTART,
            "The sandbox is stopping. Connect again in a moment.".to_owned(),
        ),
        Ok(_) => Closing::new(
            SERVICE_RESTART,
            "The agent is being started again. Connect again in a moment.".to_owned(),
        ),
        Err(_) => Closing::new(
            INTERNAL_ERROR,
            "The agent dropped the connection. Connect again in a moment.".to_owned(),
        ),
    }
}
