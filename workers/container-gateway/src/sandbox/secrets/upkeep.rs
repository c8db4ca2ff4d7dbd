//! The alarm's part: after a rotation of the root keys, secrets are sealed again under the current one, whether or not anybody uses them.

use super::notes;
use super::read::{owner, ring};
use super::store::{Kept, Secrets};
use crate::sandbox_do::Sandbox;
use molt_common::id::UserId;
use molt_common::root_keys::RootKeys;
use molt_common::sealed_secret::SecretPlace;
use molt_common::time::Millis;
use molt_platform::{entropy, log, transaction};
use serde_json::json;
use worker::Result;

/// A sandbox that rests looks at its secrets this often. New keys come with a new version of the worker, which every object that is in memory loses
/// that memory to: those look at once.
const AGAIN_MS: u64 = 24 * 60 * 60_000;

/// Seals again what is sealed under a former key. Answers when to look again, if there are secrets. What fails is logged, and tried again then.
pub fn keep(object: &Sandbox) -> Option<Millis> {
    let now = entropy::now();
    if let Some(seen_at) = object.secrets_seen_at.get()
        && now.since(seen_at) < AGAIN_MS
    {
        return object.has_secrets.get().then(|| seen_at.plus(AGAIN_MS));
    }
    match reseal(object) {
        Ok(any) => object.has_secrets.set(any),
        Err(error) => {
            object.has_secrets.set(true);
            let sandbox = object.state.id().name();
            log::error(
                "secrets_not_resealed",
                json!({"sandbox": sandbox, "error": error.to_string()}),
            );
        }
    }
    object.secrets_seen_at.set(Some(now));
    object.has_secrets.get().then(|| now.plus(AGAIN_MS))
}

/// Whether there are secrets at all.
fn reseal(object: &Sandbox) -> Result<bool> {
    let secrets = Secrets::of(object)?;
    let all = secrets.all()?;
    let (Some(owner), false) = (owner(object)?, all.is_empty()) else {
        return Ok(false);
    };
    let Some(ring) = ring(object) else { return Ok(true) };
    let mut sealed = Vec::new();
    for kept in all.iter().filter(|kept| kept.key_id() != ring.current_id()) {
        if let Some(again) = again(object, &ring, owner, kept)? {
            sealed.push((kept.name.as_str(), again));
        }
    }
    if !sealed.is_empty() {
        transaction::atomically(&object.state, || {
            for (name, again) in &sealed {
                secrets.reseal(name, again)?;
            }
            let names: Vec<&str> = sealed.iter().map(|(name, _)| *name).collect();
            notes::resealed(object, owner, &names)
        })?;
    }
    Ok(true)
}

/// One of them under the current key. What cannot be opened stays as it is: the former key may come back.
fn again(object: &Sandbox, ring: &RootKeys, owner: UserId, kept: &Kept) -> Result<Option<String>> {
    let place = SecretPlace {
        owner,
        name: &kept.name,
        used_for: kept.used_for,
    };
    let sealed = ring.reseal_secret(&place, &kept.sealed, entropy::bytes()?);
    Ok(sealed.unwrap_or_else(|error| {
        log::error(
            "secret_unreadable",
            json!({
                "sandbox": object.state.id().name(), "name": kept.name, "sealedUnder": kept.key_id(), "error": error.to_string(),
            }),
        );
        None
    }))
}
