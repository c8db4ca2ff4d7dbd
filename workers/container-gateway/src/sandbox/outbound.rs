//! What the sandbox reaches of the internet: the lists, and the way through this worker by which they are enforced.
//!
//! With any list, a start has no internet of its own, and the runtime leads all HTTP and HTTPS to the worker itself (`crate::outbound`). Nothing can be
//! led away from a container that began otherwise without leaving it other ways out, so lists hold from a start on.

mod calls;
mod store;

pub use calls::{admit, get, set};
pub use store::SCHEMA;

use super::drive;
use crate::sandbox_do::Sandbox;
use molt_common::id::SandboxId;
use molt_common::sandbox_props::SandboxProps;
use molt_platform::object::own_worker_as;
use molt_platform::{log, settings};
use serde_json::json;
use store::Outbound;
use worker::{Error, Result};

/// Whether sandboxes of this deployment reach any internet.
fn internet(object: &Sandbox) -> bool {
    settings::text(&object.env, "SANDBOX_INTERNET").as_deref() != Some("off")
}

/// Prepares the network of start `generation`, and tells whether the runtime may let it out by itself. Call it right before the start: lists that are set
/// after it answered count for the next one.
///
/// # Errors
/// When there are lists and the ways out cannot be led through the edge: then nothing may be started.
pub async fn prepare(object: &Sandbox, generation: u64) -> Result<bool> {
    if object.outbound_caught.get() {
        // The runtime takes nothing back: what still comes this way must say which start it is of, or the token of this one is refused.
        lead(object, generation).await?;
    }
    let mut led = false;
    // What is set while it is led counts already.
    while !led && internet(object) && !Outbound::of(object)?.policy()?.is_everything() {
        lead(object, generation).await?;
        led = true;
    }
    Outbound::of(object)?.start(generation, led)?;
    object.outbound_led.set(true);
    Ok(internet(object) && !led)
}

async fn lead(object: &Sandbox, generation: u64) -> Result<()> {
    let machine = object.store()?.load()?;
    let name = drive::name(object, &machine).ok_or_else(|| Error::RustError("the sandbox has no name yet".into()))?;
    let sandbox = SandboxId::parse(&name).map_err(|error| Error::RustError(format!("name of the object: {error}")))?;
    let target = own_worker_as(&object.state, &SandboxProps { sandbox, generation })?;
    let container = object.container()?;
    object.outbound_caught.set(true);
    container.intercept_all_outbound(&target).await
}

/// Leads them once more when this memory is new and what runs was started so: a runtime that was replaced has forgotten it. Until then nothing gets out.
/// What fails is tried again at the next event.
pub async fn keep(object: &Sandbox) {
    if object.outbound_led.get() || !object.container().is_ok_and(|container| container.running()) {
        return;
    }
    object.outbound_led.set(true);
    if let Err(error) = lead_again(object).await {
        object.outbound_led.set(false);
        log::error(
            "ways_out_not_led",
            json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
        );
    }
}

async fn lead_again(object: &Sandbox) -> Result<()> {
    let generation = object.store()?.load()?.generation;
    if Outbound::of(object)?.is_intercepted(generation)? == Some(true) {
        lead(object, generation).await?;
    }
    Ok(())
}
