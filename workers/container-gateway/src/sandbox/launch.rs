//! Starts: the one place where the runtime is asked for a container.

use super::drive::{name, step};
use super::{config, legacy, observe, outbound, ownership, providers, repository_name, shut_out, snapshots};
use crate::account;
use crate::sandbox_do::Sandbox;
use molt_common::control::env as variable;
use molt_common::id::hex;
use molt_lifecycle::sandbox::capacity::is_no_room;
use molt_lifecycle::sandbox::{Event, Refusal, Sandbox as Machine, Stage};
use molt_platform::container::{Container, StartOptions};
use molt_platform::{entropy, log, settings};
use serde_json::json;
use std::collections::BTreeMap;
use worker::Result;

/// A user who is shut out is looked at again after this long: he may have been let in again.
const SHUT_OUT_MS: u64 = 60_000;
/// The same where nobody could tell.
const UNDECIDED_MS: u64 = 5_000;

/// Begins what came due, and asks for the container of a start that has none.
pub async fn launch_if_wanted(object: &Sandbox) -> Result<()> {
    if !ownership::may_run(object)? {
        return Ok(());
    }
    bar_if_shut_out(object).await?;
    step(object, Event::Due)?;
    let store = object.store()?;
    let container = object.container()?;
    let machine = store.load()?;
    if container.running() || !machine.launches(entropy::now()) {
        return Ok(());
    }
    if !shut_out::may_launch(object).await? {
        return Ok(());
    }
    let image = match choose_image(&container, &machine) {
        Ok(image) => image,
        Err(cause) => {
            let refusal = Refusal::Deployment;
            return step(object, Event::StartRefused { cause, refusal }).map(drop);
        }
    };
    let token = hex(&entropy::bytes::<32>()?);
    if let Some(owner) = machine.owner {
        let imports = match legacy::start::prepare(object, owner).await? {
            Ok(plan) => plan.is_some(),
            Err(cause) => {
                let refusal = Refusal::Deployment;
                return step(object, Event::StartRefused { cause, refusal }).map(drop);
            }
        };
        match snapshots::boot::of_start(object, owner).await? {
            Ok(Event::Disk { kept, was_saved }) => {
                // What is to be imported must be left out as little as what was saved.
                let was_saved = was_saved || imports;
                step(object, Event::Disk { kept, was_saved })?
            }
            Ok(event) => step(object, event)?,
            Err(cause) => {
                let refusal = Refusal::Deployment;
                return step(object, Event::StartRefused { cause, refusal }).map(drop);
            }
        };
    }
    step(object, Event::Launching)?;
    let mut machine = store.load()?;
    machine.image = Some(image.name);
    machine.image_reference.clone_from(&image.reference);
    store.save(&machine)?;
    store.set_control_token(&token)?;
    // A container whose token was lost with this process would answer nobody.
    object.state.storage().sync().await?;
    if let Err(error) = repository_name::lead(object).await {
        // It could neither be restored nor saved.
        return refused(object, &format!("its repository cannot be reached: {error}")).await;
    }
    if let Err(error) = providers::name::lead(object).await {
        return refused(object, &format!("providers cannot be reached: {error}")).await;
    }
    let enable_internet = match outbound::prepare(object, machine.generation).await {
        Ok(enabled) => enabled,
        Err(error) => return refused(object, &format!("its ways out cannot be led through the edge: {error}")).await,
    };
    let wanted = store.load()?;
    if wanted.generation != machine.generation || !matches!(wanted.stage, Stage::Starting { .. }) {
        return Ok(());
    }
    let options = StartOptions {
        enable_internet,
        env: environment(object, &machine, token)?,
        instance: image.reference.is_some().then(|| format!("standard-{}", machine.tier)),
        image: image.reference,
    };
    match container.start(&options) {
        Ok(()) => Ok(()),
        Err(error) => refused(object, &error.to_string()).await,
    }
}

/// Whoever asks for a sandbox was let in at the edge; what a schedule or a policy starts is looked at here, so that a suspended user's agent does
/// not come back by itself.
async fn bar_if_shut_out(object: &Sandbox) -> Result<()> {
    let machine = object.store()?.load()?;
    let Some(owner) = machine.owner.filter(|_| machine.would_start_by_itself(entropy::now())) else {
        return Ok(());
    };
    let for_ms = match account::may_have_one(&object.env, owner).await {
        Ok(true) => return Ok(()),
        Ok(false) => SHUT_OUT_MS,
        Err(error) => {
            log::error(
                "owner_not_looked_up",
                json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
            );
            UNDECIDED_MS
        }
    };
    step(object, Event::Barred { for_ms }).map(drop)
}

/// The runtime did not start what it was asked for.
pub async fn refused(object: &Sandbox, text: &str) -> Result<()> {
    let (refusal, cause) = if is_no_room(text) {
        (
            Refusal::Capacity,
            "The platform has no room for another sandbox just now.".to_owned(),
        )
    } else {
        (Refusal::Engine, format!("The container could not be started: {text}"))
    };
    let actions = step(object, Event::StartRefused { cause, refusal })?;
    observe::perform(object, &actions).await
}

/// The image of a start.
struct ChosenImage {
    name: String,
    /// `None` where the deployment's scheduling policy takes none.
    reference: Option<String>,
}

fn choose_image(container: &Container, machine: &Machine) -> std::result::Result<ChosenImage, String> {
    let chosen = machine.next_image();
    let name = chosen.map_or("stable", |choice| choice.name.as_str()).to_owned();
    let pinned = chosen.and_then(|choice| choice.pinned.clone());
    match pinned.or_else(|| container.image(&name)) {
        Some(reference) => Ok(ChosenImage {
            name,
            reference: Some(reference),
        }),
        None if chosen.is_none() => Ok(ChosenImage {
            name: "default".into(),
            reference: None,
        }),
        None => Err(format!("This deployment has no image of the name {name}.")),
    }
}

fn environment(object: &Sandbox, machine: &Machine, token: String) -> Result<BTreeMap<String, String>> {
    let text = |name: &str| settings::text(&object.env, name).unwrap_or_default();
    let pairs = [
        (variable::SANDBOX_ID, name(object, machine).unwrap_or_default()),
        (variable::GENERATION, machine.generation.to_string()),
        (variable::CONTROL_TOKEN, token),
        (
            variable::OWNER,
            machine.owner.map(|owner| owner.to_string()).unwrap_or_default(),
        ),
        (variable::PUBLIC_ORIGINS, text("PUBLIC_ORIGINS")),
        (variable::AGENT, text("SANDBOX_AGENT")),
        (variable::TIER, machine.tier.to_string()),
        (variable::SOCKET_RESUME, socket_resume(object)),
        // Where nobody ever chose anything there is nothing to wait for.
        (
            variable::CONFIG,
            if config::has_any(object)? { "wait" } else { "" }.to_owned(),
        ),
        (
            variable::PROVIDERS,
            if providers::hand::hands(object) { "wait" } else { "" }.to_owned(),
        ),
    ];
    let restore = machine.disk.kept.then(|| (variable::RESTORE, "wait".to_owned()));
    let pairs = pairs.into_iter().chain(restore).filter(|(_, value)| !value.is_empty());
    Ok(pairs.map(|(name, value)| (name.to_owned(), value)).collect())
}

fn socket_resume(object: &Sandbox) -> String {
    let on = settings::text(&object.env, "SOCKET_RESUME").as_deref() == Some("on");
    if on { "on" } else { "off" }.to_owned()
}
