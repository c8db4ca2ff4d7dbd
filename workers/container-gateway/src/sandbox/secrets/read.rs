//! Opening secrets, for those who show them: the calls of providers, and the hand-over of a start.

use super::store::{Kept, Secrets};
use crate::sandbox_do::Sandbox;
use molt_common::id::UserId;
use molt_common::problem::Problem;
use molt_common::root_keys::RootKeys;
use molt_common::sealed_secret::SecretPlace;
use molt_common::user_secret::{SecretUse, Values};
use molt_platform::log;
use molt_platform::root_keys::{self, SECRETS};
use serde_json::json;
use std::rc::Rc;
use worker::{Error, Result};

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
pub enum SecretFault {
    /// It is kept and cannot be opened: its root key is gone. Nothing may be used in its place.
    #[error("the secret {name} cannot be opened")]
    Unreadable {
        /// Its name.
        name: String,
    },
    /// Storage failed.
    #[error("{0}")]
    Storage(#[from] Error),
}

impl From<SecretFault> for Error {
    fn from(fault: SecretFault) -> Self {
        match fault {
            SecretFault::Unreadable { .. } => Self::RustError(fault.to_string()),
            SecretFault::Storage(error) => error,
        }
    }
}

impl SecretFault {
    /// What a caller is told.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Unreadable { name } => {
                let text =
                    format!("The user's own {name} cannot be opened any more. It has to be set again or taken away.");
                Problem::new(503, "secret_unreadable", text)
            }
            Self::Storage(_) => Problem::internal(),
        }
    }
}

/// The ring, where this deployment has one.
pub fn ring(object: &Sandbox) -> Option<Rc<RootKeys>> {
    match root_keys::ring(&object.env, SECRETS) {
        Ok(keys) => Some(keys),
        Err(error) => {
            log::error("secret_keys_missing", json!({"error": error.to_string()}));
            None
        }
    }
}

/// Whose sandbox it is, as far as the object knows.
pub fn owner(object: &Sandbox) -> Result<Option<UserId>> {
    let store = object.store()?;
    Ok(store.load()?.owner.or(store.audited()?))
}

/// A value. One that cannot be opened is named in the log.
pub fn open(object: &Sandbox, ring: Option<&RootKeys>, owner: UserId, kept: &Kept) -> Option<String> {
    let place = SecretPlace {
        owner,
        name: &kept.name,
        used_for: kept.used_for,
    };
    let value = ring.and_then(|ring| ring.open_secret(&place, &kept.sealed).ok());
    if value.is_none() {
        let sandbox = object.state.id().name();
        log::error(
            "secret_unreadable",
            json!({"sandbox": sandbox, "name": kept.name, "sealedUnder": kept.key_id()}),
        );
    }
    value
}

/// The user's own key of a provider; `None` when he has none, and the platform's counts.
///
/// # Errors
/// [`SecretFault::Unreadable`] when he has one that cannot be opened: it is never replaced by the platform's.
pub fn provider_key(object: &Sandbox, key_name: &str) -> std::result::Result<Option<String>, SecretFault> {
    let kept = Secrets::of(object)?.get(key_name)?;
    let Some(kept) = kept.filter(|kept| kept.used_for == SecretUse::Provider) else {
        return Ok(None);
    };
    let unreadable = || SecretFault::Unreadable {
        name: key_name.to_owned(),
    };
    let owner = owner(object)?.ok_or_else(unreadable)?;
    let ring = ring(object);
    let value = open(object, ring.as_deref(), owner, &kept).ok_or_else(unreadable)?;
    Ok(Some(value))
}

/// Variables of the agent: the tokens of its channels. One that cannot be opened is left out: a start does not fail for it.
pub fn channels(object: &Sandbox) -> Result<Values> {
    let kept = Secrets::of(object)?.all()?;
    let kept: Vec<Kept> = kept
        .into_iter()
        .filter(|kept| kept.used_for == SecretUse::Channel)
        .collect();
    let (Some(owner), false) = (owner(object)?, kept.is_empty()) else {
        return Ok(Values::default());
    };
    let ring = ring(object);
    let opened = kept.iter().filter_map(|kept| {
        let value = open(object, ring.as_deref(), owner, kept)?;
        Some((kept.name.clone(), value))
    });
    Ok(Values(opened.collect()))
}

/// Counts what was set and taken away, so that whoever hands secrets over sees that they are others now.
pub fn revision(object: &Sandbox) -> Result<u64> {
    Secrets::of(object)?.revision()
}

/// Names of the providers' keys that the user has himself, whether or not they can be opened.
pub fn provider_keys(object: &Sandbox) -> Result<Vec<String>> {
    let kept = Secrets::of(object)?.all()?.into_iter();
    let own = kept.filter(|kept| kept.used_for == SecretUse::Provider);
    Ok(own.map(|kept| kept.name).collect())
}
