//! Changes that are asked for: at once in a running sandbox, by its agent's own protocol; kept for the next start otherwise.

use super::calls::{Platform, must_be_of, view};
use super::reach::{self, Said};
use super::store::{New, Versions, empty};
use super::{drive, notes, turn};
use crate::sandbox::alarm;
use crate::sandbox_do::Sandbox;
use molt_common::agent_config::merge::patched;
use molt_common::agent_config::standing::Unanswered;
use molt_common::agent_config::{Origin, fits, hash, layers, secret};
use molt_common::config_call::{ConfigEditAnswer as Answer, Edit, EditConfig};
use molt_common::control::config::{Applied, ConfigChange, ConfigEdit, code};
use molt_platform::{entropy, log, transaction};
use serde_json::{Value, json};
use worker::Result;

/// What is done, and where it comes from.
struct Wanted {
    change: ConfigChange,
    source: Origin,
}

/// Does one.
pub async fn edit(object: &Sandbox, asked: &EditConfig) -> Result<Answer> {
    must_be_of(object, asked.owner)?;
    let Some(_turn) = turn::wait(object).await else {
        let error = "Other changes of this configuration are under way.".into();
        return Ok(not_now(error));
    };
    let versions = Versions::of(object)?;
    if let Some(id) = &asked.id
        && versions.of_edit(id)?.is_some()
    {
        return done(object, asked, None);
    }
    let wanted = match read(object, &versions, asked)? {
        Ok(wanted) => wanted,
        Err(refused) => return Ok(refused),
    };
    // What waits for its turn to get to the agent is changed where it waits.
    let answer = if versions.standing()?.staged.is_none() && reach::is_running(object)? {
        in_the_sandbox(object, asked, &wanted).await?
    } else {
        at_rest(object, asked, &wanted)?
    };
    if let Answer::Done { applied: None, .. } = &answer {
        // Where it is being started, or runs, it gets there as soon as it can.
        alarm::now(object).await?;
    }
    let name = object.state.id().name();
    log::info(
        "config_edited",
        json!({"sandbox": name, "requestId": asked.by.request_id, "answer": word(&answer)}),
    );
    Ok(answer)
}

const fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Done { applied: None, .. } => "staged",
        Answer::Done { .. } => "applied",
        Answer::Moved { .. } => "moved",
        Answer::Locked { .. } => "locked",
        Answer::Secret { .. } => "secret",
        Answer::SecretMissing { .. } => "secret_missing",
        Answer::Unfit => "unfit",
        Answer::UnknownVersion => "unknown_version",
        Answer::Invalid { .. } => "invalid",
        Answer::Unreadable { .. } => "unreadable",
        Answer::NotNow { .. } => "not_now",
    }
}

/// What an edit asks for, if it may.
fn read(object: &Sandbox, versions: &Versions, asked: &EditConfig) -> Result<std::result::Result<Wanted, Answer>> {
    let (change, says, source) = match &asked.edit {
        Edit::Put { document } => {
            let change = ConfigChange::Put {
                document: document.clone(),
            };
            (change, document.clone(), Origin::Api)
        }
        Edit::Patch { patch } if patch.is_object() => {
            let change = ConfigChange::Patch { patch: patch.clone() };
            // What it takes away it does not say.
            (change, patched(&empty(), patch), Origin::Api)
        }
        Edit::Patch { .. } => return Ok(Err(Answer::Unfit)),
        Edit::Rollback { version } => match versions.document(*version)? {
            Some(document) => {
                // A supervisor of before took the platform's providers for the user's.
                let document = layers::without_providers(&document, &Value::Null);
                let change = ConfigChange::Put {
                    document: document.clone(),
                };
                (change, document, Origin::Rollback)
            }
            None => return Ok(Err(Answer::UnknownVersion)),
        },
    };
    if !says.is_object() || !fits(&says) {
        return Ok(Err(Answer::Unfit));
    }
    let paths = layers::violations(&says, &Platform::of(object, asked.owner)?.locked);
    if !paths.is_empty() {
        return Ok(Err(Answer::Locked { paths }));
    }
    let paths = secret::literals(&says);
    if !paths.is_empty() {
        return Ok(Err(Answer::Secret { paths }));
    }
    Ok(Ok(Wanted { change, source }))
}

fn done(object: &Sandbox, asked: &EditConfig, applied: Option<Applied>) -> Result<Answer> {
    let view = Box::new(view(object, asked.owner, applied.is_some())?);
    Ok(Answer::Done { view, applied })
}

async fn in_the_sandbox(object: &Sandbox, asked: &EditConfig, wanted: &Wanted) -> Result<Answer> {
    // What the user has changed himself is a version of its own.
    let before = match reach::now(object).await? {
        Said::Answer(now) => {
            drive::saw(object, asked.owner, &now)?;
            now.document
        }
        Said::No { code, error } if code == code::UNREADABLE => return Ok(Answer::Unreadable { error }),
        Said::No { error, .. } => return Ok(not_now(error)),
        Said::Nothing(error) => return silent(object, error, false).await,
    };
    // Perhaps it is there already, and its answer was lost.
    if let Some(id) = &asked.id
        && Versions::of(object)?.of_edit(id)?.is_some()
    {
        return done(object, asked, Some(Applied::Unchanged));
    }
    expect(object, asked, wanted, &before)?;
    let order = ConfigEdit {
        base: asked.base.clone(),
        change: wanted.change.clone(),
    };
    let edited = match reach::edit(object, &order).await? {
        Said::Answer(edited) => edited,
        Said::No { code, error } => {
            if code != code::UNANSWERED {
                forget(object)?;
            }
            return Ok(refused(&code, error));
        }
        Said::Nothing(error) => return silent(object, error, true).await,
    };
    if edited.applied == Applied::Unchanged {
        drive::saw(object, asked.owner, &edited.now)?;
        forget(object)?;
        return done(object, asked, Some(Applied::Unchanged));
    }
    keep(object, asked, wanted, &edited.now.document, false)?;
    done(object, asked, Some(edited.applied))
}

const fn not_now(error: String) -> Answer {
    Answer::NotNow { error, unclear: false }
}

/// Notes whose change it is, for the case that the agent takes it and its answer is lost.
fn expect(object: &Sandbox, asked: &EditConfig, wanted: &Wanted, before: &Value) -> Result<()> {
    let document = Platform::of(object, asked.owner)?.user_part(&wanted.change.of(before));
    let versions = Versions::of(object)?;
    let mut standing = versions.standing()?;
    standing.unanswered = Some(Unanswered {
        hash: hash(&document),
        author: asked.by.actor.clone(),
        request_id: asked.by.request_id.clone(),
        reason: asked.reason.clone(),
        source: wanted.source,
        edit_id: asked.id.clone(),
    });
    versions.set_standing(&standing)
}

/// There is an answer.
fn forget(object: &Sandbox) -> Result<()> {
    let versions = Versions::of(object)?;
    let mut standing = versions.standing()?;
    standing.unanswered = None;
    versions.set_standing(&standing)
}

/// It did not answer: perhaps the container is gone.
async fn silent(object: &Sandbox, error: String, unclear: bool) -> Result<Answer> {
    alarm::now(object).await?;
    Ok(Answer::NotNow { error, unclear })
}

fn refused(code: &str, error: String) -> Answer {
    match code {
        code::MOVED => Answer::Moved {
            hash: error.rsplit(' ').next().unwrap_or_default().to_owned(),
        },
        code::INVALID | "invalid_request" => Answer::Invalid { error },
        code::SECRET_MISSING => Answer::SecretMissing { error },
        code::UNREADABLE => Answer::Unreadable { error },
        code::UNANSWERED => Answer::NotNow { error, unclear: true },
        _ => not_now(error),
    }
}

fn at_rest(object: &Sandbox, asked: &EditConfig, wanted: &Wanted) -> Result<Answer> {
    let versions = Versions::of(object)?;
    let current = versions.document_or_empty(versions.standing()?.current())?;
    let found = hash(&current);
    if asked.base.as_ref().is_some_and(|base| *base != found) {
        return Ok(Answer::Moved { hash: found });
    }
    let platform = Platform::of(object, asked.owner)?;
    let document = platform.user_part(&wanted.change.of(&current));
    if !fits(&document) {
        return Ok(Answer::Unfit);
    }
    let there = secret::kept(&current);
    let missing: Vec<String> = secret::kept(&document)
        .into_iter()
        .filter(|place| !there.contains(place))
        .collect();
    if !missing.is_empty() {
        let error = format!("no secret is known to be on the disk for {}", missing.join(", "));
        return Ok(Answer::SecretMissing { error });
    }
    if document == current {
        return done(object, asked, Some(Applied::Unchanged));
    }
    keep(object, asked, wanted, &document, true)?;
    done(object, asked, None)
}

/// Keeps a version with what is told of it.
fn keep(object: &Sandbox, asked: &EditConfig, wanted: &Wanted, document: &Value, staged: bool) -> Result<()> {
    let versions = Versions::of(object)?;
    let mut standing = versions.standing()?;
    standing.unanswered = None;
    let before = versions.document_or_empty(standing.current())?;
    let new = New {
        document,
        author: &asked.by.actor,
        reason: asked.reason.as_deref(),
        at: entropy::now(),
        request_id: &asked.by.request_id,
        source: wanted.source,
        edit_id: asked.id.as_deref(),
    };
    transaction::atomically(&object.state, || {
        let version = versions.add(&new, &standing)?;
        if staged {
            standing.stage(version);
        } else {
            standing.applied(version);
        }
        versions.set_standing(&standing)?;
        notes::changed(object, asked.owner, version, &new, &before, staged)
    })
}
