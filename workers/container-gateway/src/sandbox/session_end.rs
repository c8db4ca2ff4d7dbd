//! Sessions that ended: what goes on under them is broken off.

use super::alarm;
use super::supervisor::Supervisor;
use crate::sandbox_do::Sandbox;
use molt_common::control;
use molt_common::sandbox_call::{EndSessions, SessionsEnded};
use molt_platform::{entropy, log};
use serde_json::json;
use worker::Result;

/// Ends sessions where there are any: in requests that wait here, and in the container. Starts, wakes and keeps alive nothing.
pub async fn end(object: &Sandbox, wanted: &EndSessions) -> Result<SessionsEnded> {
    object
        .ended
        .borrow_mut()
        .end(wanted.session.as_ref(), wanted.reason, entropy::now());
    object.waits.changed();
    let store = object.store()?;
    let container = object.container()?;
    // What waits for a start is refused here.
    if !container.running() || !store.load()?.may_have_let_in() {
        return Ok(SessionsEnded { sockets: Some(0) });
    }
    let supervisor = Supervisor {
        container: &container,
        token: store.control_token()?,
    };
    let call = control::EndSessions {
        session: wanted.session.as_ref().map(|session| session.as_str().to_owned()),
        reason: wanted.reason,
    };
    let sockets = match supervisor.end_sessions(&call).await {
        Ok(sockets) => Some(sockets),
        Err(error) => {
            let sandbox = object.state.id().name();
            log::error(
                "sessions_not_ended",
                json!({"sandbox": sandbox, "error": error.to_string()}),
            );
            // Perhaps the container is gone: have it looked at now instead of with the next heartbeat.
            alarm::now(object).await?;
            None
        }
    };
    Ok(SessionsEnded { sockets })
}
