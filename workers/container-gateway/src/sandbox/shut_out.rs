//! The sandbox of a user who was suspended: saved and stopped, because nobody may use it and its agent would go on by itself; and not
//! started for anybody else.

use super::{alarm, drive, observe, session_end};
use crate::account;
use crate::sandbox_do::Sandbox;
use molt_common::control::SessionEnd;
use molt_common::id::UserId;
use molt_common::sandbox_call::EndSessions;
use molt_lifecycle::sandbox::owner::OwnerStanding;
use molt_lifecycle::sandbox::{Event, Stage};
use molt_platform::{entropy, log};
use serde_json::json;
use worker::Result;

/// The control plane says that its owner was suspended. What was asked for is in the machine's state and outlives this memory.
pub async fn stop(object: &Sandbox) -> Result<()> {
    let actions = drive::step(object, Event::OwnerShutOut)?;
    observe::perform(object, &actions).await?;
    alarm::now(object).await
}

/// A stop that could not be saved is tried again as long as he is suspended, as his row says.
pub async fn look(object: &Sandbox) -> Result<()> {
    let machine = object.store()?.load()?;
    let Some(owner) = machine.owner.filter(|_| machine.is_shut_out(entropy::now())) else {
        return Ok(());
    };
    match standing(object, owner).await {
        OwnerStanding::LetIn => {
            // He may have been shut out anew while his row was read.
            let shut_out_at = machine.shut_out_at;
            drive::step(object, Event::OwnerLetIn { shut_out_at }).map(drop)
        }
        OwnerStanding::ShutOut => {
            // Before the next try: what was let in since the last one must not go on as long as nothing can be saved.
            let all = EndSessions {
                session: None,
                reason: SessionEnd::Suspended,
            };
            session_end::end(object, &all).await?;
            stop(object).await
        }
        OwnerStanding::Unknown => Ok(()),
    }
}

/// Whether a start that is about to ask for its container may go on. That of one who was shut out ends here, whoever began it: a move, a command, a
/// request that was let in just before. That he was let in again is noted by [`look`], when his row cannot be the one from before any more.
pub async fn may_launch(object: &Sandbox) -> Result<bool> {
    let machine = object.store()?.load()?;
    let Some(owner) = machine.owner.filter(|_| machine.shut_out_at.is_some()) else {
        return Ok(true);
    };
    let standing = standing(object, owner).await;
    if standing == OwnerStanding::ShutOut {
        stop(object).await?;
    }
    Ok(standing == OwnerStanding::LetIn)
}

/// How the owner stands to a start that somebody other than he himself is about to begin; nothing is looked up where nothing would be started.
pub async fn standing_for_start(object: &Sandbox, owner: UserId) -> Result<OwnerStanding> {
    let at_rest = matches!(object.store()?.load()?.stage, Stage::Stopped | Stage::Failed { .. });
    Ok(if at_rest {
        standing(object, owner).await
    } else {
        OwnerStanding::LetIn
    })
}

async fn standing(object: &Sandbox, owner: UserId) -> OwnerStanding {
    match account::may_have_one(&object.env, owner).await {
        Ok(true) => OwnerStanding::LetIn,
        Ok(false) => OwnerStanding::ShutOut,
        Err(error) => {
            log::error(
                "owner_not_looked_up",
                json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
            );
            OwnerStanding::Unknown
        }
    }
}
