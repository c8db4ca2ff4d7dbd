//! The name by which a sandbox finds its repository: the runtime leads it to this worker, whatever else of the network is open to the sandbox.
//!
//! The target is the worker itself as the runtime gives it to every object (`ctx.exports.default`), so that no binding has to name a worker before
//! its first deployment, and no configuration can forget it. What arrives carries no identity of the router; the gateway accepts it at a
//! repository's paths only, by token (`crate::repository`).

use crate::sandbox_do::Sandbox;
use molt_common::snapshot::REPOSITORY_HOST;
use molt_platform::{log, object::own_worker};
use serde_json::json;
use worker::Result;

/// Leads the name. Before each start.
pub async fn lead(object: &Sandbox) -> Result<()> {
    let target = own_worker(&object.state)?;
    object
        .container()?
        .intercept_outbound_http(REPOSITORY_HOST, &target)
        .await?;
    object.repository_led.set(true);
    Ok(())
}

/// Leads the name once more when this memory is new and a container runs: a runtime that was replaced has forgotten it. What fails is tried again
/// at the next event.
pub async fn keep(object: &Sandbox) {
    if object.repository_led.get() || !object.container().is_ok_and(|container| container.running()) {
        return;
    }
    // One event does it; those that come meanwhile need not wait.
    object.repository_led.set(true);
    if let Err(error) = lead(object).await {
        object.repository_led.set(false);
        log::error(
            "repository_name_not_led",
            json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
        );
    }
}
