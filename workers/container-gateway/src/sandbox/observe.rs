//! Looks at the container, and does to it what the state machine decides.

use super::changes::drive::observed;
use super::config;
use super::drive::step;
use super::launch;
use super::supervisor::Supervisor;
use crate::sandbox_do::Sandbox;
use molt_common::sandbox_call::Probed;
use molt_lifecycle::sandbox::capacity::is_no_room;
use molt_lifecycle::sandbox::sleep::{LocalUse, idle_sleep_ms};
use molt_lifecycle::sandbox::{Action, Event, HEARTBEAT_MS, Stage};
use molt_platform::container::{Container, End};
use molt_platform::{entropy, log, object, settings};
use serde_json::json;
use std::time::Duration;
use worker::Result;

use super::{ownership, providers, snapshots};

/// Work that somebody follows is asked about at least this often, so that between two questions it is still followed.
const FOLLOWED_MS: u64 = 3_000;
const TERM: i32 = 15;

/// Asks the container, and does what follows.
pub async fn look(object: &Sandbox) -> Result<()> {
    let container = object.container()?;
    let asked_at = entropy::now();
    let machine = object.store()?.load()?;
    let asked_for = machine.launched_at.is_some() || machine.boot_id.is_some();
    if !container.running() && asked_for {
        return gone(object, &container).await;
    }
    let mut status = None;
    if container.running() {
        let supervisor = Supervisor {
            container: &container,
            token: object.store()?.control_token()?,
        };
        match supervisor.status().await {
            Ok(answer) => status = Some(Box::new(answer)),
            // In production the port says that there is no room, while the container is still said to run.
            Err(error) if machine.boot_id.is_none() && is_no_room(&error.to_string()) => {
                return launch::refused(object, &error.to_string()).await;
            }
            Err(_) => {}
        }
        // It ended while it was asked. What it said last counts: perhaps that all of it is saved.
        if !container.running() && asked_for {
            if let Some(status) = &status {
                snapshots::boot::told(object, &machine, status, asked_at)?;
            }
            return gone(object, &container).await;
        }
    }
    observed(object, asked_at, container.running(), status.as_deref());
    config::drive::told(object, status.as_deref());
    providers::hand::told(object, status.as_deref());
    let event = Event::Probed {
        container: container.running(),
        status,
        local: local_use(object),
    };
    let told = match &event {
        Event::Probed { status, .. } => status.clone(),
        _ => None,
    };
    let actions = step(object, event)?;
    if let Some(status) = &told {
        snapshots::boot::told(object, &object.store()?.load()?, status, asked_at)?;
    }
    perform(object, &actions).await?;
    if told.is_some()
        && let Some(event) = snapshots::boot::perform(object, &actions).await?
    {
        let actions = step(object, event)?;
        perform(object, &actions).await?;
    }
    Ok(())
}

/// There was a container, or is to be one, and the runtime says that there is none: it ended, or the engine did, or it was never started.
async fn gone(object: &Sandbox, container: &Container) -> Result<()> {
    let end = container.end().await;
    let machine = object.store()?.load()?;
    let starting = matches!(machine.stage, Stage::Starting { .. });
    if let End::Failed(text) = &end {
        log::error(
            "container_lost",
            json!({"sandbox": object.state.id().name(), "generation": machine.generation, "error": text}),
        );
        if starting {
            return launch::refused(object, text).await;
        }
    }
    if end == End::Unseen && starting && machine.boot_id.is_none() {
        step(object, Event::NeverLaunched)?;
        return Ok(());
    }
    observed(object, entropy::now(), false, None);
    let event = Event::Probed {
        container: false,
        status: None,
        local: local_use(object),
    };
    let actions = step(object, event)?;
    perform(object, &actions).await?;
    if matches!(end, End::Failed(_)) {
        // The engine went away under it: what this memory knows of the engine is of the old one.
        return abort(object, "the container runtime must be looked at anew").await;
    }
    Ok(())
}

/// What the object knows of its sandbox's use.
pub fn local_use(object: &Sandbox) -> LocalUse {
    LocalUse {
        in_flight: object.in_flight.get(),
        used_at: object.used_at.get(),
        idle_sleep_ms: idle_sleep_ms(settings::text(&object.env, "IDLE_SLEEP_SECONDS").as_deref()),
    }
}

/// Whether requests or jobs are under way, so that the state must be true soon.
pub fn in_use(object: &Sandbox) -> bool {
    let now = entropy::now();
    let recent = |at: Option<molt_common::time::Millis>| at.is_some_and(|at| now.since(at) < FOLLOWED_MS);
    object.in_flight.get() > 0 || recent(object.used_at.get()) || recent(object.followed_at.get())
}

/// Asks a running sandbox how it is, for somebody who wants to know. Stores and extends nothing.
pub async fn ask(object: &Sandbox) -> Result<Probed> {
    let view = ownership::view(object)?;
    let container = object.container()?;
    let asked = entropy::now();
    let running = container.running();
    let status = if running {
        let supervisor = Supervisor {
            container: &container,
            token: object.store()?.control_token()?,
        };
        supervisor.status().await.ok().map(Box::new)
    } else {
        None
    };
    Ok(Probed {
        view,
        container: container.running(),
        status,
        latency_ms: entropy::now().since(asked),
    })
}

/// Does what was decided.
pub async fn perform(object: &Sandbox, actions: &[Action]) -> Result<()> {
    let container = object.container()?;
    for action in actions {
        let done = match action {
            Action::KeepAlive if container.running() => {
                container.keep_alive(Duration::from_millis(3 * HEARTBEAT_MS)).await
            }
            Action::Destroy if container.running() => container.destroy().await,
            Action::Terminate if container.running() => container.signal(TERM),
            Action::Abort => return abort(object, "the container runtime must be looked at anew").await,
            // Announced with the commit; a start is made by the alarm's next round.
            Action::Announce | Action::Start | Action::Destroy | Action::Terminate | Action::KeepAlive => Ok(()),
            // The look that they follow from does these (`snapshots::boot`).
            Action::Begin | Action::Save => Ok(()),
        };
        if let Err(error) = done {
            log::error(
                "container_not_told",
                json!({"sandbox": object.state.id().name(), "action": format!("{action:?}"), "error": error.to_string()}),
            );
            // It ended in the meantime, or the engine did not obey: a fresh look tells, and removes what nobody wants.
            if container.running() {
                return abort(object, "the container runtime must be looked at anew").await;
            }
        }
    }
    Ok(())
}

/// Drops the object's memory once its state is on disk. The runtime runs this alarm again in a fresh object.
async fn abort(object: &Sandbox, reason: &str) -> Result<()> {
    object.state.storage().sync().await?;
    object::abort(&object.state, reason).await
}
