//! The name by which a sandbox asks providers: the runtime leads it to this worker, and says with every call which sandbox and which start it comes
//! from. That word cannot be forged from inside, so a token that was carried to another sandbox, or kept beyond its start, opens nothing.

use crate::sandbox::drive;
use crate::sandbox_do::Sandbox;
use molt_common::id::SandboxId;
use molt_common::provider::PROVIDER_HOST;
use molt_common::sandbox_props::SandboxProps;
use molt_platform::{log, object::own_worker_as};
use serde_json::json;
use worker::{Error, Result};

/// Leads the name for the start that is on, or about to be.
pub async fn lead(object: &Sandbox) -> Result<()> {
    let machine = object.store()?.load()?;
    let id = drive::name(object, &machine).ok_or_else(|| Error::RustError("the sandbox has no name yet".into()))?;
    let props = SandboxProps {
        sandbox: SandboxId::parse(&id).map_err(|error| Error::RustError(error.to_string()))?,
        generation: machine.generation,
    };
    let target = own_worker_as(&object.state, &props)?;
    object
        .container()?
        .intercept_outbound_http(PROVIDER_HOST, &target)
        .await?;
    object.providers_led.set(true);
    Ok(())
}

/// Leads the name once more when this memory is new and a container runs: a runtime that was replaced has forgotten it. What fails is tried again
/// at the next event.
pub async fn keep(object: &Sandbox) {
    if object.providers_led.get() || !object.container().is_ok_and(|container| container.running()) {
        return;
    }
    // One event does it; those that come meanwhile need not wait.
    object.providers_led.set(true);
    if let Err(error) = lead(object).await {
        object.providers_led.set(false);
        log::error(
            "providers_name_not_led",
            json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
        );
    }
}
