//! Everything that is kept of a user.

use crate::caller::Caller;
use crate::extract::Parameters;
use crate::respond::{Failure, Passed};
use crate::user_export::{self, Export};
use crate::users;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use molt_common::id::SandboxId;
use molt_common::problem::Problem;
use molt_common::snapshot_call::ListSnapshots;
use molt_platform::{call, entropy};
use worker::{Env, ResponseBuilder};

/// Everything that is kept of a user, as one tar archive.
///
/// Below `moltworker-export/`: his row, his sandbox's state, the names of his secrets, the list of snapshots, jobs, audit entries, invitations, commands with their output, as JSON and as
/// lines of JSON. Then the files of the newest snapshot that counts, as they lie in his home. An archive that breaks off does not end as archives do. It is
/// made while it is read; nothing is started for it.
#[utoipa::path(get, path = "/api/super/users/{id}/export", tag = "users",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, content_type = "application/x-tar"), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn export(State(env): State<Env>, caller: Caller, parameters: Parameters) -> Result<Response, Failure> {
    let user_id = parameters.user()?;
    let user = users::find(&env, user_id).await?;
    let list = ListSnapshots { before: None, limit: 1 };
    let summary = call::make(&call::sandbox(&env, &SandboxId::personal(user_id))?, &list)
        .await?
        .summary;
    let export = Export {
        user_id,
        user,
        newest: summary.head,
        author: caller.author(),
        now_s: entropy::now().seconds(),
        env,
    };
    let answer = ResponseBuilder::new()
        .with_header("content-type", "application/x-tar")?
        .with_header("cache-control", "no-store, no-transform")?
        .with_header(
            "content-disposition",
            &format!("attachment; filename=\"{user_id}.tar\""),
        )?
        .with_header("x-content-type-options", "nosniff")?
        .from_stream(user_export::archive(export))?;
    Ok(Passed::new(answer).into_response())
}
