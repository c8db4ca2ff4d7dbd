//! The audit trail of a sandbox: what was done about it, in a chain that its object keeps.

use crate::sandbox_do::Sandbox;
use molt_common::audit::{Author, Chain, Change};
use molt_common::audit_call::{ChainReport, NoteEnrolment, VerifyChain};
use molt_common::id::{SandboxId, UserId};
use molt_common::time::Millis;
use molt_lifecycle::ownership::{Ownership, Stage};
use molt_platform::audit_log::AuditLog;
use molt_platform::{d1, entropy, log, transaction};
use serde_json::{Value, json};
use std::time::Duration;
use worker::Result;

/// What could not be copied is tried again after this long.
const PAUSE_MS: u64 = 5_000;
/// One attempt takes at most this long.
const ATTEMPT: Duration = Duration::from_millis(1_500);
const ENROLLED: &str = "user.enrolled";
const CLAIMED: &str = "sandbox.claimed";

/// Notes, once, that a user was taken in.
pub async fn note_enrolment(object: &Sandbox, note: &NoteEnrolment) -> Result<()> {
    let store = object.store()?;
    let log = AuditLog::of(&object.state, Chain::Sandbox(note.user));
    let noted = transaction::atomically(&object.state, || {
        if log.has(ENROLLED)? {
            return Ok(false);
        }
        store.set_audited(note.user)?;
        log.append(&Change {
            at: entropy::now(),
            author: &note.author,
            action: ENROLLED,
            target: &note.user.to_string(),
            detail: &json!({}),
        })?;
        Ok(true)
    })?;
    if noted {
        object.state.storage().set_alarm(0_i64).await?;
    }
    Ok(())
}

/// Notes whose sandbox it is from now on. Call it in the transaction that makes it so.
pub fn note_owner(object: &Sandbox, owner: UserId, at: Millis) -> Result<()> {
    object.store()?.set_audited(owner)?;
    let author = Author {
        actor: "system".into(),
        request_id: String::new(),
    };
    AuditLog::of(&object.state, Chain::Sandbox(owner)).append(&Change {
        at,
        author: &author,
        action: CLAIMED,
        // The object's own name, which the runtime does not always tell it.
        target: SandboxId::personal(owner).as_str(),
        detail: &json!({"owner": owner.to_string()}),
    })
}

/// Notes how far a move of the user is. Call it in the transaction that makes it so.
pub fn note_move(
    object: &Sandbox,
    user: UserId,
    request_id: &str,
    before: &Ownership,
    after: &Ownership,
    at: Millis,
) -> Result<()> {
    object.store()?.set_audited(user)?;
    let author = Author {
        actor: "system".into(),
        request_id: request_id.into(),
    };
    let log = AuditLog::of(&object.state, Chain::Sandbox(user));
    let note = |action: &str, more: Value| {
        let detail = json!({"epoch": after.epoch, "rank": after.decided.header(), "move": more});
        log.append(&Change {
            at,
            author: &author,
            action,
            target: &user.to_string(),
            detail: &detail,
        })
    };
    if after.epoch != before.epoch || after.stage != before.stage {
        match (before.stage, after.stage) {
            (Stage::Fencing, Stage::Legacy) => {}
            (_, Stage::Fencing) if after.epoch > before.epoch => note("sandbox.move_begun", json!({"to": "new"}))?,
            (_, Stage::Stopping) => note("sandbox.move_begun", json!({"to": "legacy"}))?,
            // From now on there is no container.
            (_, Stage::Exporting) => {}
            (Stage::Stopping | Stage::Exporting, Stage::Unfencing) => note("sandbox.released", json!({}))?,
            (Stage::New, Stage::New) => {}
            (_, Stage::New | Stage::Legacy) => note(
                "sandbox.moved",
                json!({"owner": after.owner(), "confirmed": after.fenced || after.stage == Stage::Legacy}),
            )?,
            (_, Stage::Fencing | Stage::Unfencing) => {}
        }
    }
    match &after.refused {
        Some(refused) if after.refused != before.refused => note("sandbox.move_refused", json!({"why": refused.why})),
        _ => Ok(()),
    }
}

/// Walks along the chain.
pub fn verify(object: &Sandbox, verify: &VerifyChain) -> Result<ChainReport> {
    // The tables exist then.
    object.store()?;
    AuditLog::of(&object.state, verify.chain).verify(verify)
}

/// Copies what D1 has not. Answers when to try again, if it must be.
pub async fn copy(object: &Sandbox) -> Option<Millis> {
    // What arrives all the same is not inserted again.
    match d1::in_time(&object.env, ATTEMPT, copy_now(object)).await {
        Ok(()) => None,
        Err(error) => {
            log::error(
                "audit_not_copied",
                json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
            );
            Some(entropy::now().plus(PAUSE_MS))
        }
    }
}

async fn copy_now(object: &Sandbox) -> Result<()> {
    let Some(user) = object.store()?.audited()? else {
        return Ok(());
    };
    let log = AuditLog::of(&object.state, Chain::Sandbox(user));
    if log.is_behind()? {
        log.copy(&object.env.d1("PLATFORM_DB")?).await?;
    }
    Ok(())
}
