//! What each start is given for its agent besides its configuration: the token by which it asks providers, which of them it may ask, and the tokens of its
//! channels. Told before the agent starts, to a supervisor that was started again, and with a new id when it has become something else: that counts from
//! the agent's next start on.

use super::handed::{Handed, HandedStore};
use crate::sandbox::supervisor::Supervisor;
use crate::sandbox::{drive, secrets};
use crate::sandbox_do::Sandbox;
use molt_common::control::SupervisorStatus;
use molt_common::control::provider::{HandProviders, ProvidersView};
use molt_common::id::SandboxId;
use molt_common::provider::offer::Offer;
use molt_common::provider_token::ProviderClaims;
use molt_lifecycle::change::Reply;
use molt_platform::{log, providers, settings};
use serde_json::json;
use worker::{Error, Result};

/// Variable with the model that agents use whose users have chosen none: `provider/model`.
const DEFAULT_MODEL: &str = "DEFAULT_MODEL";
const PATH: &str = "/v1/providers/handed";

/// Whether this deployment hands anything over at all: without root keys there is no token.
pub fn hands(object: &Sandbox) -> bool {
    secrets::ring(object).is_some()
}

/// What is offered now.
pub fn offer(object: &Sandbox) -> Result<Offer> {
    let table = match providers::table(&object.env) {
        Ok(table) => table,
        Err(error) => {
            // Channels work without.
            log::error("providers_unreadable", json!({"error": error.to_string()}));
            return Ok(Offer::default());
        }
    };
    let own = secrets::provider_keys(object)?;
    let wanted = settings::text(&object.env, DEFAULT_MODEL);
    Ok(Offer::of(
        &table,
        |row| providers::key(&object.env, row).is_some() || own.contains(&row.key_name),
        wanted.as_deref(),
    ))
}

/// The offer that stands in the agent's configuration: what the start that is on was given, else what the next one would be.
pub fn standing_offer(object: &Sandbox) -> Result<Offer> {
    let machine = object.store()?.load()?;
    let handed = HandedStore::of(object)?.load()?;
    match handed.filter(|handed| handed.generation == machine.generation && machine.lives(handed.generation)) {
        Some(handed) => Ok(handed.offer),
        None if hands(object) => offer(object),
        None => Ok(Offer::default()),
    }
}

/// The supervisor has said how it is.
pub fn told(object: &Sandbox, status: Option<&SupervisorStatus>) {
    let view = status.map(|status| status.providers.as_deref().cloned());
    object.providers_told.replace(view);
}

/// One step, after a look at the container. Whether another look is to follow soon.
pub async fn step(object: &Sandbox) -> Result<bool> {
    let Some(told) = object.providers_told.take() else {
        return Ok(false);
    };
    let generation = object.store()?.load()?.generation;
    let Some(told) = told else {
        // An image of before: its agent starts without.
        let none = Some((generation, u64::MAX));
        if hands(object) && object.providers_handed.replace(none) != none {
            log::info(
                "providers_not_taken",
                json!({"sandbox": object.state.id().name(), "generation": generation}),
            );
        }
        return Ok(false);
    };
    if !hands(object) {
        return Ok(false);
    }
    let standing = (generation, secrets::revision(object)?);
    if !told.waits && told.handed.is_some() && object.providers_handed.get() == Some(standing) {
        return Ok(false);
    }
    handed(object, standing, Some(&told)).await;
    Ok(told.waits)
}

/// Hands over what has changed since, for a restart of the agent that is about to be asked for. What fails is logged, and told again with the next look;
/// the restart goes on.
pub async fn before_restart(object: &Sandbox) -> Result<()> {
    if !hands(object) {
        return Ok(());
    }
    let generation = object.store()?.load()?.generation;
    let standing = (generation, secrets::revision(object)?);
    handed(object, standing, None).await;
    Ok(())
}

/// Hands it over; what fails is logged.
async fn handed(object: &Sandbox, standing: (u64, u64), told: Option<&ProvidersView>) {
    if let Err(error) = hand(object, standing, told).await {
        let sandbox = object.state.id().name();
        log::error(
            "providers_not_handed_over",
            json!({"sandbox": sandbox, "generation": standing.0, "error": error.to_string()}),
        );
    }
}

async fn hand(object: &Sandbox, standing: (u64, u64), told: Option<&ProvidersView>) -> Result<()> {
    let (generation, _) = standing;
    let (order, offer) = order(object, generation)?;
    if told.is_some_and(|told| !told.waits && told.handed.as_ref() == Some(&order.id)) {
        object.providers_handed.set(Some(standing));
        return Ok(());
    }
    // Before it counts anywhere: what was told must be known after a loss of this memory.
    let handed = Handed {
        generation,
        id: order.id.clone(),
        offer,
    };
    HandedStore::of(object)?.save(&handed)?;
    let container = object.container()?;
    let supervisor = Supervisor {
        container: &container,
        token: object.store()?.control_token()?,
    };
    let reply = supervisor.tell("PUT", PATH, &serde_json::to_string(&order)?).await;
    match reply? {
        Reply::Taken => {
            object.providers_handed.set(Some(standing));
            Ok(())
        }
        Reply::Refused(why) => Err(Error::RustError(why)),
        Reply::NotNow | Reply::Unreachable => Err(Error::RustError("it does not take it now".into())),
    }
}

/// What this start's agent is to have. The same for the same, so that it has the same id.
fn order(object: &Sandbox, generation: u64) -> Result<(HandProviders, Offer)> {
    let missing = |what: &str| Error::RustError(format!("{what} for what a start is given"));
    let machine = object.store()?.load()?;
    let name = drive::name(object, &machine).ok_or_else(|| missing("no name"))?;
    let claims = ProviderClaims {
        sandbox: SandboxId::parse(&name).map_err(|error| Error::RustError(error.to_string()))?,
        generation,
    };
    let ring = secrets::ring(object).ok_or_else(|| missing("no keys"))?;
    let token = claims.mint(&ring).ok_or_else(|| missing("no current key"))?;
    let offer = offer(object)?;
    let order = HandProviders {
        id: String::new(),
        token,
        providers: offer.providers.clone(),
        default_model: offer.default_model.clone(),
        secrets: secrets::channels(object)?,
    };
    let order = order.named(generation);
    Ok((order, offer))
}
