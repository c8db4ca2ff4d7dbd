//! The operator's override in KV (`molt_common::flag::FlagOverride`) is made permanent when this object is there again.

use super::store::Store;
use crate::control_plane_do::ControlPlane;
use molt_common::flag::{FlagOverride, OVERRIDE_KEY};
use molt_common::time::Millis;
use molt_platform::{entropy, kv, log};
use serde_json::json;
use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use worker::Result;

/// It is looked at again after this long.
const PAUSE_MS: u64 = 2_000;
/// A look takes at most this long.
const LIMIT: Duration = Duration::from_secs(1);

/// What the object remembers about its looks, for as long as it lives.
#[derive(Debug, Default)]
pub struct Watch {
    /// When the last one began; `None` until the first one has ended, so that nothing is answered before it.
    looked: Cell<Option<Millis>>,
    /// What was last found unreadable, so that it is logged once.
    unreadable: Cell<Option<u64>>,
    /// Whether the last look failed.
    failed: Cell<bool>,
}

/// Looks, unless it was done a moment ago, and adopts what it finds. KV's failures are logged and fail nothing.
///
/// # Errors
/// When storage fails.
pub async fn look(object: &ControlPlane, store: &Store<'_>) -> Result<()> {
    let watch = &object.watch;
    let now = entropy::now();
    match watch.looked.get() {
        Some(at) if now.since(at) < PAUSE_MS => return Ok(()),
        // Those who ask meanwhile need not wait: what they are told was true a moment ago.
        Some(_) => watch.looked.set(Some(now)),
        None => {}
    }
    look_now(object, store).await
}

/// Looks, however short ago the last look was.
///
/// # Errors
/// See [`look`].
pub async fn look_now(object: &ControlPlane, store: &Store<'_>) -> Result<()> {
    let watch = &object.watch;
    let began = entropy::now();
    let found = kv::get(&object.env, "CONTROL_KV", OVERRIDE_KEY, LIMIT).await;
    watch.looked.set(Some(began));
    let text = match found {
        Ok(text) => text,
        Err(error) => {
            if !watch.failed.replace(true) {
                log::error("flags_override_not_read", json!({"error": error.to_string()}));
            }
            return Ok(());
        }
    };
    watch.failed.set(false);
    let Some(text) = text else { return Ok(()) };
    match FlagOverride::read(&text, entropy::now()) {
        Ok(over) => {
            if store.adopt(&over)? {
                log::info(
                    "flags_override_adopted",
                    json!({"epoch": over.epoch, "author": over.author, "values": over.values}),
                );
                object.carry_on().await?;
            }
        }
        Err(error) => {
            let mut hash = DefaultHasher::new();
            text.hash(&mut hash);
            let this = Some(hash.finish());
            if watch.unreadable.replace(this) != this {
                log::error("flags_override_refused", json!({"error": error.to_string()}));
            }
        }
    }
    Ok(())
}
