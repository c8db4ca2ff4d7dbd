//! The end of everything that the object keeps of its user, when he is removed.

use super::ownership;
use crate::sandbox_do::Sandbox;
use molt_common::repository_call::Erased;
use molt_common::sandbox_call::Lifecycle;
use molt_lifecycle::sandbox::Sandbox as Machine;
use molt_platform::{log, sql, transaction};
use serde_json::json;
use worker::Result;

/// The table that holds the number of starts.
const STARTS: &str = "sandbox";

/// Empties every table, the repository's key among what goes. What remains is the number of starts: tokens of before must never count for a sandbox that is
/// begun anew under the same id.
pub async fn erase(object: &Sandbox) -> Result<Erased> {
    let store = object.store()?;
    let lifecycle = ownership::view(object)?.lifecycle;
    let rests = matches!(lifecycle, Lifecycle::Stopped | Lifecycle::Sleeping | Lifecycle::Failed);
    if !rests || object.container()?.running() {
        return Ok(Erased::NotStopped { lifecycle });
    }
    let remains = Machine {
        generation: store.load()?.generation,
        ..Machine::default()
    };
    let rows = transaction::atomically(&object.state, || {
        let rows = sql::erase(&object.state.storage().sql(), &[STARTS])?;
        store.save(&remains)?;
        store.set_control_token("")?;
        Ok(rows)
    })?;
    object.state.storage().delete_alarm().await?;
    log::info(
        "sandbox_erased",
        json!({"sandbox": object.state.id().name(), "rows": rows}),
    );
    Ok(Erased::Done { rows })
}
