//! Access to the repository for an operator's own program, noted in the sandbox's audit trail.

use super::changes::notes::note;
use super::snapshots::{Snapshots, key};
use crate::sandbox_do::Sandbox;
use molt_common::repository_call::{GrantRepository, RepositoryGrant};
use molt_platform::{entropy, transaction};
use serde_json::json;
use worker::Result;

/// Longest access, whoever asks for more.
const LONGEST_MS: u64 = 3_600_000;

/// Access for a while, if anything was ever saved.
pub async fn grant(object: &Sandbox, asked: &GrantRepository) -> Result<Option<RepositoryGrant>> {
    if Snapshots::of(object)?.wrapped_key()?.is_none() {
        return Ok(None);
    }
    let until = entropy::now().plus(asked.lifetime_ms.min(LONGEST_MS));
    let generation = object.store()?.load()?.generation;
    let access = key::access(object, asked.owner, generation, asked.access, until)?;
    // Before anybody has it.
    let detail = json!({"access": asked.access, "until": until.iso()});
    let owner = asked.owner;
    transaction::atomically(&object.state, || {
        note(
            object,
            owner,
            &asked.by,
            "sandbox.repository_access_granted",
            &owner.to_string(),
            &detail,
        )
    })?;
    object.state.storage().set_alarm(0_i64).await?;
    Ok(Some(RepositoryGrant {
        token: access.token,
        key: access.key,
        incarnation: key::root(object, owner)?.incarnation,
        until,
    }))
}
