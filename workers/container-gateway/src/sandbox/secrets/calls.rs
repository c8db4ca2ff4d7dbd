//! Calls of operators: a secret is set, taken away, listed. No value is ever told again.

use super::read::{open, ring};
use super::store::{Kept, Secrets};
use super::{known, notes};
use crate::sandbox::alarm;
use crate::sandbox::config::calls::must_be_of;
use crate::sandbox_do::Sandbox;
use molt_common::id::UserId;
use molt_common::problem::Problem;
use molt_common::root_keys::RootKeys;
use molt_common::sealed_secret::SecretPlace;
use molt_common::user_secret::{
    KnownName, MOST, RemoveSecret, SecretList, SecretRemoved, SecretSet, SecretUse, SecretView, SetSecret,
};
use molt_common::user_secret_name::use_of;
use molt_common::{user_secret_name, user_secret_value};
use molt_lifecycle::sandbox::Stage;
use molt_platform::{entropy, transaction};
use worker::{Error, Result};

/// Sets one, if it may be.
pub async fn set(object: &Sandbox, asked: &SetSecret) -> Result<SecretSet> {
    must_be_of(object, asked.owner)?;
    let secrets = Secrets::of(object)?;
    let before = secrets.get(&asked.name)?;
    let (used_for, keys) = match may(object, asked).and_then(|used_for| Ok((used_for, keys(object)?))) {
        Ok(found) => found,
        Err(problem) => return Ok(SecretSet::Refused { problem }),
    };
    let most = u64::try_from(MOST).unwrap_or(u64::MAX);
    if before.is_none() && secrets.count()? >= most {
        let text = format!("There are {MOST} secrets already.");
        let problem = Problem::new(409, "secrets_full", text);
        return Ok(SecretSet::Refused { problem });
    }
    let place = SecretPlace {
        owner: asked.owner,
        name: &asked.name,
        used_for,
    };
    let sealed = keys.seal_secret(&place, &asked.value, entropy::bytes()?);
    let kept = Kept {
        name: asked.name.clone(),
        used_for,
        sealed: sealed.map_err(|error| Error::RustError(error.to_string()))?,
        set_at: entropy::now(),
    };
    let replaced = before.is_some();
    transaction::atomically(&object.state, || {
        secrets.put(&kept)?;
        notes::set(object, asked.owner, &asked.by, &kept.name, used_for, replaced)
    })?;
    look_again(object).await?;
    Ok(SecretSet::Kept {
        secret: view(object, Some(&keys), asked.owner, &kept),
        replaced,
        agent_runs: agent_runs(object)?,
    })
}

/// Has the alarm copy the audit trail and look at the secrets, which are others now.
async fn look_again(object: &Sandbox) -> Result<()> {
    object.secrets_seen_at.set(None);
    alarm::now(object).await
}

fn keys(object: &Sandbox) -> std::result::Result<std::rc::Rc<RootKeys>, Problem> {
    let text = "This deployment has no root keys for secrets (MOLT_SECRET_KEYS).";
    ring(object).ok_or_else(|| Problem::new(503, "secrets_unavailable", text))
}

/// What a secret of that name and value would be for.
fn may(object: &Sandbox, asked: &SetSecret) -> std::result::Result<SecretUse, Problem> {
    let providers = known::key_names(object)?;
    let used_for = use_of(&asked.name, &providers).ok_or_else(|| unknown(&user_secret_name::known(&providers)))?;
    user_secret_value::check(&asked.value, used_for)?;
    Ok(used_for)
}

fn unknown(names: &[KnownName]) -> Problem {
    let of = |wanted| {
        let names = names.iter().filter(|name| name.used_for == wanted);
        names.map(|name| name.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let text = format!(
        "name is no secret that is used for anything. Keys of providers: {}. Tokens of channels: {}.",
        of(SecretUse::Provider),
        of(SecretUse::Channel)
    );
    let mut problem = Problem::new(400, "secret_unknown", text);
    problem.field = Some("name".into());
    problem
}

/// Whether an agent runs, or is about to, that may have what was there before.
fn agent_runs(object: &Sandbox) -> Result<bool> {
    let stage = object.store()?.load()?.stage;
    Ok(matches!(stage, Stage::Starting { .. } | Stage::Running))
}

/// Takes one away, whatever names are known now.
pub async fn remove(object: &Sandbox, asked: &RemoveSecret) -> Result<Option<SecretRemoved>> {
    must_be_of(object, asked.owner)?;
    let secrets = Secrets::of(object)?;
    let Some(kept) = secrets.get(&asked.name)? else {
        return Ok(None);
    };
    transaction::atomically(&object.state, || {
        secrets.remove(&kept.name)?;
        notes::removed(object, asked.owner, &asked.by, &kept.name, kept.used_for)
    })?;
    look_again(object).await?;
    Ok(Some(SecretRemoved {
        used_for: kept.used_for,
        agent_runs: agent_runs(object)?,
    }))
}

/// What there is, by name.
pub async fn list(object: &Sandbox, owner: UserId) -> Result<SecretList> {
    must_be_of(object, owner)?;
    let ring = ring(object);
    let all = Secrets::of(object)?.all()?;
    let current = ring.as_ref().map(|ring| ring.current_id().to_owned());
    if current.is_some() && all.iter().any(|kept| Some(kept.key_id()) != current.as_deref()) {
        // The next alarm of a sandbox that rests is a day away.
        look_again(object).await?;
    }
    let keys = ring.as_deref();
    Ok(SecretList {
        secrets: all.iter().map(|kept| view(object, keys, owner, kept)).collect(),
        names: user_secret_name::known(&known::key_names(object).unwrap_or_default()),
        current_key: current,
    })
}

fn view(object: &Sandbox, ring: Option<&RootKeys>, owner: UserId, kept: &Kept) -> SecretView {
    let value = open(object, ring, owner, kept);
    SecretView {
        name: kept.name.clone(),
        used_for: kept.used_for,
        masked: value
            .as_deref()
            .map_or_else(|| user_secret_value::DOTS.to_owned(), user_secret_value::masked),
        set_at: kept.set_at,
        key_id: kept.key_id().to_owned(),
        readable: value.is_some(),
    }
}
