//! Carries changes to where they are read. Nothing here decides anything; whatever fails is tried again.

use super::store::{Item, Store, Task};
use crate::control_plane_do::ControlPlane;
use molt_common::id::SandboxId;
use molt_common::sandbox_call::EndSessions;
use molt_common::time::Millis;
use molt_common::trust::KV_KEY;
use molt_platform::{call, entropy, log};
use serde_json::json;
use worker::d1::D1Type;
use worker::{Error, Result};

/// What could not be copied is tried again after this long.
const PAUSE_MS: u64 = 2_000;

/// One alarm: everything that is due. Sockets first, since somebody may be looking at one.
pub async fn run(object: &ControlPlane) -> Result<()> {
    let store = object.store()?;
    store.purge_sessions(entropy::now())?;
    perform(object, &store, |_| true).await?;
    let failed_at = match copies(object, &store).await {
        Ok(()) => None,
        Err(error) => {
            log::error("control_not_copied", json!({"error": error.to_string()}));
            Some(entropy::now().plus(PAUSE_MS))
        }
    };
    let next = [store.next_due()?, store.next_purge()?, failed_at]
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
    due.sort_by_key(|item| item.task.is_copy());
    let mut all = true;
    for item in &due {
        if let Err(error) = task(object, item).await {
            log::error(
                "control_task_failed",
                json!({"seq": item.seq, "error": error.to_string()}),
            );
            store.again(item, entropy::now())?;
            all = false;
        } else {
            store.done(item)?;
        }
    }
    Ok(all)
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
        Task::Invitation { email, invited_by, at } => invitation(object, email, invited_by.as_deref(), *at).await,
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
        object
            .env
            .kv("CONTROL_KV")?
            .put(KV_KEY, serde_json::to_string(&snapshot)?)?
            .execute()
            .await?;
        store.published(snapshot.version)?;
    }
    store.audit().copy(&object.env.d1("PLATFORM_DB")?).await
}
