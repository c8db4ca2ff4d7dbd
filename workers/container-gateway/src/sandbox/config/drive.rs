//! The alarm's part: a start is told what it begins with, what was staged gets to the agent, and what the user changed himself becomes a version.

use super::reach::{self, Said};
use super::store::{New, Versions, empty};
use super::{notes, turn};
use crate::sandbox::alarm;
use crate::sandbox_do::Sandbox;
use molt_common::agent_config::standing::{Standing, origin};
use molt_common::agent_config::{LONGEST, Origin, fits, handing, hash};
use molt_common::control::SupervisorStatus;
use molt_common::control::config::{ConfigChange, ConfigEdit, ConfigNow, ConfigStatus, code};
use molt_common::id::UserId;
use molt_platform::{entropy, log, transaction};
use serde_json::json;
use worker::Result;

/// What could not be told to the sandbox is told again after this long.
const AGAIN_MS: u64 = 2_000;
/// Who has changed what was found on the disk: the user, in his agent's page, or the agent.
const AGENT: &str = "agent";
/// Who merges.
const SYSTEM: &str = "system";
/// Longest reason of a refusal that is kept, in characters: it names places, whose keys may be as long as a document.
const LONGEST_REFUSAL: usize = 2_000;

/// The supervisor has said how it is.
pub fn told(object: &Sandbox, status: Option<&SupervisorStatus>) {
    let config = status.and_then(|status| status.config.as_deref().cloned());
    object.config_told.replace(config);
}

/// One step, after a look at the container. Whether another look is to follow soon.
pub async fn step(object: &Sandbox) -> Result<bool> {
    let Some(told) = object.config_told.take() else {
        return Ok(false);
    };
    let machine = object.store()?.load()?;
    let Some(owner) = machine.owner else { return Ok(false) };
    if told.waits {
        return hand_over(object, machine.generation).await;
    }
    let Some(_turn) = turn::take(object) else {
        return Ok(false);
    };
    settle(object, owner, &told)?;
    if !reach::is_running(object)? {
        return Ok(false);
    }
    let versions = Versions::of(object)?;
    let standing = versions.standing()?;
    if let Some(version) = standing.staged {
        return put_there(object, owner, version).await;
    }
    let live = hash_of(&versions, standing.live)?;
    if told.hash.is_some_and(|hash| hash != live || standing.follows())
        && let Said::Answer(now) = reach::now(object).await?
    {
        saw(object, owner, &now)?;
    }
    Ok(false)
}

async fn hand_over(object: &Sandbox, generation: u64) -> Result<bool> {
    let versions = Versions::of(object)?;
    let mut standing = versions.standing()?;
    let handed = standing.hand_over(generation);
    versions.set_standing(&standing)?;
    let version = handed.as_ref().map(|handed| handed.version);
    let known = if standing.follow_disk {
        vec![]
    } else {
        versions.hashes()?
    };
    let order = handing::order(
        handed.map_or_else(|| format!("{generation}-0"), |handed| handed.id),
        versions.document_or_empty(version)?,
        versions.document_or_empty(standing.live)?,
        known,
    );
    match reach::hand_over(object, &order).await? {
        Said::Answer(_) => {}
        Said::No { error, .. } | Said::Nothing(error) => failed(object, "config_not_handed_over", &error),
    }
    Ok(true)
}

fn failed(object: &Sandbox, what: &str, error: &str) {
    log::error(what, json!({"sandbox": object.state.id().name(), "error": error}));
}

/// Notes what became of what a start was given.
fn settle(object: &Sandbox, owner: UserId, told: &ConfigStatus) -> Result<()> {
    let versions = Versions::of(object)?;
    let mut standing = versions.standing()?;
    let Some(handed) = &told.handed else { return Ok(()) };
    let given = standing.handed.as_ref().filter(|handed| !handed.settled);
    let given = given.map(|handed| versions.get(handed.version)).transpose()?.flatten();
    let there = given.is_some_and(|given| told.hash.as_ref() == Some(&given.hash));
    let Some(version) = standing.settle(handed, there, entropy::now()) else {
        return Ok(());
    };
    transaction::atomically(&object.state, || {
        versions.set_standing(&standing)?;
        match &handed.refused {
            Some(error) => notes::refused(object, owner, version, error),
            None => Ok(()),
        }
    })
}

/// Has a running agent take what was staged while it could not.
async fn put_there(object: &Sandbox, owner: UserId, version: u64) -> Result<bool> {
    let versions = Versions::of(object)?;
    let order = ConfigEdit {
        base: None,
        change: ConfigChange::Merge {
            base: versions.document_or_empty(versions.standing()?.live)?,
            document: versions.document_or_empty(Some(version))?,
        },
    };
    let said = reach::edit(object, &order).await?;
    let mut standing = versions.standing()?;
    match said {
        Said::Answer(edited) => {
            let known = versions
                .get(version)?
                .is_some_and(|version| version.hash == edited.now.hash);
            if known {
                standing.applied(version);
                versions.set_standing(&standing)?;
            } else {
                standing.staged = None;
                let reason = format!("version {version}, merged with what was on the disk");
                let new = New {
                    reason: Some(&reason),
                    ..found(&edited.now, SYSTEM, Origin::Agent)
                };
                add(object, owner, &new, standing)?;
            }
        }
        Said::No { code, error } if is_final(&code) => {
            let error: String = error.chars().take(LONGEST_REFUSAL).collect();
            standing.refuse(version, &error, entropy::now());
            transaction::atomically(&object.state, || {
                versions.set_standing(&standing)?;
                notes::refused(object, owner, version, &error)
            })?;
        }
        // The start has merged it with a document that cannot be shown: there is nothing left to put there.
        Said::No { code, .. } if code == code::UNREADABLE && standing.was_given(version) => {
            standing.staged = None;
            versions.set_standing(&standing)?;
        }
        Said::No { error, .. } | Said::Nothing(error) => {
            failed(object, "config_not_put_there", &error);
            alarm::within(object, AGAIN_MS).await?;
        }
    }
    Ok(false)
}

fn is_final(code: &str) -> bool {
    matches!(code, code::INVALID | code::SECRET_MISSING | "invalid_request")
}

/// A document was seen on the disk of the running sandbox. Unless it is the one that is known to be there it is a version of its own.
pub fn saw(object: &Sandbox, owner: UserId, now: &ConfigNow) -> Result<()> {
    let versions = Versions::of(object)?;
    let before = versions.standing()?;
    let mut standing = before.clone();
    let source = origin(standing.live.is_none(), standing.follows());
    let live = hash_of(&versions, standing.live)? == now.hash;
    let staged = standing
        .staged
        .map(|version| versions.get(version))
        .transpose()?
        .flatten();
    let staged = staged.is_some_and(|version| version.hash == now.hash);
    if standing.look(live, staged) {
        let change = standing.answered_by(&now.hash);
        let new = match &change {
            Some(change) => New {
                author: &change.author,
                reason: change.reason.as_deref(),
                request_id: &change.request_id,
                source: change.source,
                edit_id: change.edit_id.as_deref(),
                ..found(now, AGENT, source)
            },
            None => found(now, AGENT, source),
        };
        return add(object, owner, &new, standing);
    }
    if standing != before {
        versions.set_standing(&standing)?;
    }
    Ok(())
}

/// Of the document of this version, or of the one in which nothing was chosen.
fn hash_of(versions: &Versions, version: Option<u64>) -> Result<String> {
    let found = version.map(|version| versions.get(version)).transpose()?.flatten();
    Ok(found.map_or_else(|| hash(&empty()), |version| version.hash))
}

/// A version that nobody asked for in so many words.
fn found<'a>(now: &'a ConfigNow, author: &'a str, source: Origin) -> New<'a> {
    New {
        document: &now.document,
        author,
        reason: None,
        at: entropy::now(),
        request_id: "",
        source,
        edit_id: None,
    }
}

fn add(object: &Sandbox, owner: UserId, new: &New<'_>, mut standing: Standing) -> Result<()> {
    let versions = Versions::of(object)?;
    // A supervisor of before shows those too. They stay what they are: the disk's alone.
    if !fits(new.document) {
        failed(object, "config_not_kept", &format!("it is longer than {LONGEST} bytes"));
        return versions.set_standing(&standing);
    }
    let before = versions.document_or_empty(standing.live)?;
    transaction::atomically(&object.state, || {
        let version = versions.add(new, &standing)?;
        standing.seen(version);
        versions.set_standing(&standing)?;
        notes::changed(object, owner, version, new, &before, false)
    })
}
