//! A tier that was changed here goes to the user's row in D1, where lists read it and other sandboxes' calls take it from.

use crate::sandbox_do::Sandbox;
use futures_util::future::{Either, select};
use molt_common::id::UserId;
use molt_common::time::Millis;
use molt_platform::{entropy, log, sql::integer};
use serde::Deserialize;
use serde_json::json;
use std::pin::pin;
use std::time::Duration;
use worker::d1::D1Type;
use worker::{Delay, Error, Result};

const DATABASE: &str = "PLATFORM_DB";
/// What could not be told is told again after this long.
const AGAIN_MS: u64 = 5_000;
/// One attempt takes at most this long.
const ATTEMPT: Duration = Duration::from_millis(1_200);

#[derive(Deserialize)]
struct Row {
    version: u64,
    owner: String,
    tier: u64,
}

/// Has it copied. Call it in the transaction of the change.
pub fn put(object: &Sandbox, owner: UserId, tier: u8) -> Result<()> {
    object.state.storage().sql().exec(
        "INSERT INTO tier_to_copy (owner, tier) VALUES (?, ?)",
        vec![owner.to_string().into(), i32::from(tier).into()],
    )?;
    Ok(())
}

/// Copies the newest. Answers when to try again, if it must be.
pub async fn deliver(object: &Sandbox) -> Option<Millis> {
    let outcome = match select(pin!(copy(object)), pin!(Delay::from(ATTEMPT))).await {
        Either::Left((outcome, _)) => outcome,
        // It may still arrive: the row takes nothing that is older than what it has.
        Either::Right(_) => Err(Error::RustError("D1 did not answer in time".into())),
    };
    match outcome {
        Ok(()) => None,
        Err(error) => {
            log::error(
                "tier_not_copied",
                json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
            );
            Some(entropy::now().plus(AGAIN_MS))
        }
    }
}

async fn copy(object: &Sandbox) -> Result<()> {
    object.store()?;
    let sql = object.state.storage().sql();
    let rows: Vec<Row> = sql
        .exec(
            "SELECT version, owner, tier FROM tier_to_copy ORDER BY version DESC LIMIT 1",
            None,
        )?
        .to_array()?;
    let Some(row) = rows.first() else { return Ok(()) };
    // Counters of this kind are exact in the f64 that D1 takes.
    #[allow(clippy::cast_precision_loss)]
    let (version, tier) = (row.version as f64, row.tier as f64);
    let updated_at = entropy::now().iso();
    object
        .env
        .d1(DATABASE)?
        .prepare("UPDATE users SET tier = ?1, tier_version = ?2, updated_at = ?3 WHERE id = ?4 AND tier_version < ?2")
        .bind_refs(&[
            D1Type::Real(tier),
            D1Type::Real(version),
            D1Type::Text(&updated_at),
            D1Type::Text(&row.owner),
        ])?
        .run()
        .await?;
    sql.exec(
        "DELETE FROM tier_to_copy WHERE version <= ?",
        vec![integer(row.version)],
    )?;
    Ok(())
}
