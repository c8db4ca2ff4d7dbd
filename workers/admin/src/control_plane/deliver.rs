//! Carries changes to where they are read. Nothing here decides anything; whatever fails is tried again.

use super::adoption;
use super::profile;
use super::store::{Item, Store, Task};
use crate::control_plane_do::ControlPlane;
use futures_util::future::{Either, join, join_all, select};
use molt_common::id::SandboxId;
use molt_common::sandbox_call::EndSessions;
use molt_common::time::Millis;
use molt_common::trust::KV_KEY;
use molt_platform::{call, entropy, kv, log};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;
use worker::d1::D1Type;
use worker::{Delay, Error, Result};

/// What could not be copied is tried again after this long.
const PAUSE_MS: u64 = 2_000;
/// One attempt at a task takes at most this long.
const ATTEMPT: Duration = Duration::from_secs(4);

/// One alarm: everything that is due.
pub async fn run(object: &ControlPlane) -> Result<()> {
    let store = object.store()?;
    store.purge_sessions(entropy::now())?;
    store.open_again(entropy::now())?;
    perform(object, &store, |_| true).await?;
    adoption::look(object, &store).await?;
    let failed_at = match copies(object, &store).await {
        Ok(()) => None,
        Err(error) => {
            log::error("control_not_copied", json!({"error": error.to_string()}));
            Some(entropy::now().plus(PAUSE_MS))
        }
    };
    let next_lock = store.next_lock(entropy::now())?;
    let next = [store.next_due()?, store.next_purge()?, next_lock, failed_at]
        .into_iter()
        .flatten()
        .min();
    if let Some(at) = next {
        let wait = i64::try_from(at.since(entropy::now())).unwrap_or(i64::MAX);
        object.state.storage().set_alarm(wait).await?;
    }
    Ok(())
}

/// Performs the due tasks of this kind. Whether all succeeded.
pub async fn perform(object: &ControlPlane, store: &Store<'_>, wanted: impl Fn(&Task) -> bool) -> Result<bool> {
    let mut due = store.due(entropy::now())?;
    due.retain(|item| wanted(&item.task));
    // Side by side: a sandbox that does not answer must not keep other users' sockets open. What concerns D1 stays in order.
    let (copies, sockets): (Vec<Item>, Vec<Item>) = due.into_iter().partition(|item| item.task.is_copy());
    let sockets = sockets.iter().map(|item| settle(object, store, item));
    let (sockets, copies) = join(join_all(sockets), async {
        let mut all = Vec::with_capacity(copies.len());
        for item in &copies {
            all.push(settle(object, store, item).await);
        }
        all
    })
    .await;
    let all: Result<Vec<bool>> = sockets.into_iter().chain(copies).collect();
    Ok(all?.into_iter().all(|done| done))
}

/// Performs a task, bounded in time, and notes whether it succeeded.
async fn settle(object: &ControlPlane, store: &Store<'_>, item: &Item) -> Result<bool> {
    let outcome = match select(pin!(task(object, item)), pin!(Delay::from(ATTEMPT))).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(Error::RustError("no answer in time".into())),
    };
    let Err(error) = outcome else {
        store.done(item)?;
        return Ok(true);
    };
    log::error(
        "control_task_failed",
        json!({"seq": item.seq, "error": error.to_string()}),
    );
    store.again(item, entropy::now())?;
    Ok(false)
}

async fn task(object: &ControlPlane, item: &Item) -> Result<()> {
    match &item.task {
        Task::UserStatus { user, suspended, at } => {
            let (user, status, at) = (
                user.to_string(),
                if *suspended { "suspended" } else { "active" },
                at.iso(),
            );
            // Two tasks about one user are performed in order, unless one is late: the later decision stays.
            object
                .env
                .d1("PLATFORM_DB")?
                .prepare("UPDATE users SET status = ?2, updated_at = ?3 WHERE id = ?1 AND updated_at <= ?3")
                .bind_refs(&[D1Type::Text(&user), D1Type::Text(status), D1Type::Text(&at)])?
                .run()
                .await?;
            Ok(())
        }
        Task::Profile {
            user,
            create,
            profile,
            at,
        } => profile::copy(object, *user, *create, profile, *at).await,
        Task::Invitation { email, invited_by, at } => invitation(object, email, invited_by.as_deref(), *at).await,
        // He was let in again before his sandbox could be told: what he opened since is to stay.
        Task::EndSessions {
            user, session: None, ..
        } if !object.store()?.is_suspended(*user)? => Ok(()),
        Task::EndSessions { user, session, reason } => {
            let sandbox = call::sandbox(&object.env, &SandboxId::personal(*user))?;
            let end = EndSessions {
                session: session.clone(),
                reason: *reason,
            };
            match call::make(&sandbox, &end).await?.sockets {
                Some(_) => Ok(()),
                None => Err(Error::RustError("the sandbox did not answer".into())),
            }
        }
    }
}

async fn invitation(object: &ControlPlane, email: &str, invited_by: Option<&str>, at: Millis) -> Result<()> {
    let database = object.env.d1("PLATFORM_DB")?;
    let at = at.iso();
    let statement = match invited_by {
        Some(by) => database
            .prepare("INSERT INTO invitations (email, created_at, invited_by) VALUES (?1, ?2, ?3) ON CONFLICT (email) DO NOTHING")
            .bind_refs(&[D1Type::Text(email), D1Type::Text(&at), D1Type::Text(by)])?,
        // One that was used stays, as a record of whom it made a user.
        None => database
            .prepare("DELETE FROM invitations WHERE email = ?1 AND used_by IS NULL")
            .bind_refs(&[D1Type::Text(email)])?,
    };
    statement.run().await?;
    Ok(())
}

/// The routers' copy in KV and the audit trail's in D1.
async fn copies(object: &ControlPlane, store: &Store<'_>) -> Result<()> {
    if store.is_unpublished()? {
        let snapshot = store.snapshot(entropy::now())?;
        let text = serde_json::to_string(&snapshot)?;
        kv::put(&object.env, "CONTROL_KV", KV_KEY, &text, None, ATTEMPT).await?;
        store.published(snapshot.version)?;
    }
    store.audit().copy(&object.env.d1("PLATFORM_DB")?).await
}
