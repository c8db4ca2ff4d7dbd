//! Commands in a user's sandbox: accepted at once, driven by the store's alarm, read and followed by id.

pub mod cancel;
pub mod list;
pub mod output;
pub mod status;
pub mod submit;
pub mod sync;

use crate::exec_store::Row;
use crate::extract::Parameters;
use crate::respond::Failure;
use molt_common::api::ExecStatus;
use molt_common::id::{ExecId, UserId};
use molt_common::problem::Problem;

/// The ids of a path `/users/{id}/exec/{execId}`.
fn ids(parameters: &Parameters) -> Result<(UserId, ExecId), Failure> {
    let exec_id = ExecId::parse(parameters.text("execId")).map_err(|error| Problem::from(("execId", error)))?;
    Ok((parameters.user()?, exec_id))
}

fn shown(row: Option<Row>, user: UserId, exec: &ExecId) -> Result<ExecStatus, Failure> {
    match row {
        Some(row) => Ok(row.into_status()),
        None => Err(Problem::unknown_exec(user, exec).into()),
    }
}
