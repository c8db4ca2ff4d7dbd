//! Calls that read the configuration.

use super::drive;
use super::reach::{self, Said};
use super::store::{Versions, empty};
use super::turn;
use crate::sandbox::providers::hand::standing_offer;
use crate::sandbox_do::Sandbox;
use molt_common::agent_config::locked::{defaults, locked};
use molt_common::agent_config::merge::difference;
use molt_common::agent_config::standing::Standing;
use molt_common::agent_config::{AGENT_PORT, hash, layers};
use molt_common::config_call::{
    CompareConfig, ConfigDifference, ConfigRead, ConfigState, ConfigVersions, ConfigView, ListConfigVersions,
};
use molt_common::control::config::code;
use molt_common::id::UserId;
use molt_platform::settings;
use serde_json::Value;
use worker::{Error, Result};

/// What is the platform's in a document.
pub struct Platform {
    pub locked: Value,
    pub defaults: Value,
}

impl Platform {
    /// Of a sandbox of this owner, as the start that is on began, or as `launch` starts the next.
    pub fn of(object: &Sandbox, owner: UserId) -> Result<Self> {
        let origins = settings::text(&object.env, "PUBLIC_ORIGINS").unwrap_or_default();
        let origins: Vec<String> = origins.split(',').map(|origin| origin.trim().to_owned()).collect();
        let offer = standing_offer(object)?;
        Ok(Self {
            locked: locked(&owner.to_string(), &origins, AGENT_PORT, &offer.providers),
            defaults: defaults(offer.default_model.as_deref()),
        })
    }

    /// The user's part of a document that was asked for. A model that is asked for is chosen, even where it is the default.
    pub fn user_part(&self, document: &Value) -> Value {
        layers::user_part(document, &self.locked, &defaults(None))
    }
}

/// Nobody else's sandbox is asked about in an owner's name.
pub fn must_be_of(object: &Sandbox, owner: UserId) -> Result<()> {
    let store = object.store()?;
    match store.load()?.owner.or(store.audited()?) {
        Some(known) if known != owner => Err(Error::RustError("the sandbox has another owner".into())),
        _ => Ok(()),
    }
}

/// How it is, by asking a running sandbox.
pub async fn get(object: &Sandbox, owner: UserId) -> Result<ConfigRead> {
    must_be_of(object, owner)?;
    let turn = turn::wait(object).await;
    let mut asked = false;
    if turn.is_some() && reach::is_running(object)? {
        match reach::now(object).await? {
            Said::Answer(now) => {
                drive::saw(object, owner, &now)?;
                asked = true;
            }
            Said::No { code, error } if code == code::UNREADABLE => return Ok(ConfigRead::Unreadable { error }),
            Said::No { .. } | Said::Nothing(_) => {}
        }
    }
    let view = Box::new(view(object, owner, asked)?);
    Ok(ConfigRead::Found { view })
}

/// As it is stored; `asked` when that is what was on the disk just now.
pub fn view(object: &Sandbox, owner: UserId, asked: bool) -> Result<ConfigView> {
    let versions = Versions::of(object)?;
    let standing = versions.standing()?;
    let current = standing.current();
    let user = versions.document_or_empty(current)?;
    let version = current.map(|version| versions.get(version)).transpose()?.flatten();
    let platform = Platform::of(object, owner)?;
    let state = match standing.staged {
        Some(_) => ConfigState::Staged,
        None if asked => ConfigState::Applied,
        None => ConfigState::Stored,
    };
    Ok(ConfigView {
        state,
        version: current,
        hash: hash(&user),
        effective: layers::effective(&user, &platform.locked, &platform.defaults),
        user,
        platform: platform.locked,
        defaults: platform.defaults,
        at: version.map(|version| version.at),
        refused: standing.refused,
    })
}

/// A page of the history.
pub fn list(object: &Sandbox, asked: &ListConfigVersions) -> Result<ConfigVersions> {
    let limit = asked.limit.clamp(1, 200);
    let mut versions = Versions::of(object)?.before(asked.before, limit.saturating_add(1))?;
    let more = versions.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        versions.pop();
    }
    Ok(ConfigVersions { versions, more })
}

/// What differs between two versions.
pub fn compare(object: &Sandbox, asked: &CompareConfig) -> Result<Option<ConfigDifference>> {
    let versions = Versions::of(object)?;
    let Standing { live, staged, .. } = versions.standing()?;
    let Some(to) = asked.to.or(staged).or(live) else {
        return Ok(None);
    };
    let pair = (versions.get(asked.from)?, versions.get(to)?);
    let (Some(from), Some(to)) = pair else { return Ok(None) };
    let document = |version: u64| Ok::<_, Error>(versions.document(version)?.unwrap_or_else(empty));
    Ok(Some(ConfigDifference {
        steps: difference(&document(from.version)?, &document(to.version)?),
        from,
        to,
    }))
}
