//! The repository's own key, and what is made of it: access to the repository for one boot.

use super::notes;
use super::store::Snapshots;
use crate::sandbox_do::Sandbox;
use molt_common::control::snapshot::RepositoryAccess;
use molt_common::id::{SandboxId, UserId};
use molt_common::repository_key::RepositoryKey;
use molt_common::repository_path::{Item, Root};
use molt_common::repository_token::{Access, RepositoryClaims};
use molt_common::snapshot::{REPOSITORY_HOST, REPOSITORY_PATH};
use molt_common::time::Millis;
use molt_platform::bucket::{Bucket, BucketError};
use molt_platform::{entropy, log, repository_keys, transaction};
use serde_json::json;
use worker::{Error, Result};

/// Binding of the bucket.
const BUCKET: &str = "MOLTBOT_BUCKET";

fn failed(error: impl std::fmt::Display) -> Error {
    Error::RustError(error.to_string())
}

/// The key, made at first need, and wrapped again when the root key moved on.
pub fn open(object: &Sandbox, owner: UserId) -> Result<RepositoryKey> {
    let roots = repository_keys::keys(&object.env).map_err(failed)?;
    let sandbox = SandboxId::personal(owner);
    let snapshots = Snapshots::of(object)?;
    if let Some(wrapped) = snapshots.wrapped_key()? {
        let key = roots.unwrap(&wrapped, &sandbox).map_err(failed)?;
        let again = roots.rewrap(&wrapped, &sandbox, entropy::bytes()?).map_err(failed)?;
        if let Some(again) = again {
            transaction::atomically(&object.state, || {
                snapshots.save_wrapped_key(again)?;
                notes::key(object, owner, "sandbox.repository_key_rewrapped")
            })?;
        }
        return Ok(key);
    }
    if snapshots.keeping()?.was_saved() {
        return Err(failed("there are snapshots, and the key that opens them is gone"));
    }
    let key = RepositoryKey::new(&entropy::bytes()?);
    let wrapped = roots.wrap(&key, &sandbox, entropy::bytes()?).map_err(failed)?;
    transaction::atomically(&object.state, || {
        snapshots.save_wrapped_key(wrapped)?;
        notes::key(object, owner, "sandbox.repository_key_made")
    })?;
    Ok(key)
}

/// Where the repository lies that the key opens.
pub fn root(object: &Sandbox, owner: UserId) -> Result<Root> {
    Ok(Root {
        sandbox: SandboxId::personal(owner),
        incarnation: Snapshots::of(object)?.keeping()?.incarnation,
    })
}

/// Before the key is made: where a repository lies already, its key went with another platform (docs/recovery.md), and nothing could be saved to it. Whoever
/// comes gets one of his own beside it, of which nothing is touched. The key must be made without a pause behind this.
pub async fn find_room(object: &Sandbox, owner: UserId) -> Result<std::result::Result<(), BucketError>> {
    let snapshots = Snapshots::of(object)?;
    if snapshots.wrapped_key()?.is_some() || snapshots.keeping()?.was_saved() {
        return Ok(Ok(()));
    }
    let bucket = Bucket::of(&object.env, BUCKET)?;
    let mut root = root(object, owner)?;
    let first = root.incarnation;
    loop {
        match bucket.size(&Item::Config.key(&root)).await {
            Ok(Some(_)) => root.incarnation = root.incarnation.saturating_add(1),
            Ok(None) => break,
            Err(error) => return Ok(Err(error)),
        }
    }
    // What happened during the look is in the store.
    let mut keeping = snapshots.keeping()?;
    if root.incarnation == first || keeping.incarnation != first || snapshots.wrapped_key()?.is_some() {
        return Ok(Ok(()));
    }
    keeping.incarnation = root.incarnation;
    transaction::atomically(&object.state, || {
        snapshots.save_keeping(&keeping)?;
        notes::begun_again(object, owner, &root)
    })?;
    log::error(
        "repository_unreadable",
        json!({"sandbox": root.sandbox.as_str(), "begunAt": root.prefix()}),
    );
    Ok(Ok(()))
}

/// Access for a generation until then.
pub fn access(
    object: &Sandbox,
    owner: UserId,
    generation: u64,
    access: Access,
    until: Millis,
) -> Result<RepositoryAccess> {
    let key = open(object, owner)?.json().map_err(failed)?;
    let roots = repository_keys::keys(&object.env).map_err(failed)?;
    let sandbox = SandboxId::personal(owner);
    let claims = RepositoryClaims {
        sandbox: sandbox.clone(),
        incarnation: root(object, owner)?.incarnation,
        generation,
        access,
        until,
    };
    Ok(RepositoryAccess {
        url: format!("http://{REPOSITORY_HOST}{REPOSITORY_PATH}/{}/", sandbox.as_str()),
        token: claims.mint(&roots).map_err(failed)?,
        key,
        until,
    })
}
