//! The removal of a user and of everything that is kept of him: asked for twice.

use crate::caller::Caller;
use crate::confirm::{self, Confirmation};
use crate::extract::{OptionalBody, Parameters};
use crate::respond::Failure;
use crate::routes::lifecycle::change;
use crate::user_removal::calls::{Read, Submit, Submitted};
use crate::user_removal::stub;
use crate::{idempotency, placements, users};
use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use molt_common::api::jobs::JobView;
use molt_common::api::lifecycle::ChangeAccepted;
use molt_common::api::removal::{RemovalReport, RemovalRequest};
use molt_common::id::{ExecId, UserId};
use molt_common::job_id::{JobId, JobKind};
use molt_common::problem::Problem;
use molt_platform::{call, entropy};
use worker::Env;

/// Removes a user: his sandbox and its disk, all snapshots and their key, what another system had saved, his commands, rows and invitations.
///
/// He is suspended at once. A call without `confirm` does nothing and answers 409 `confirmation_required` with a token in the field `confirm`. The same call
/// with that token within two minutes begins it. The answer comes at once; the job is read at `pollUrl`, what went and what was counted afterwards at
/// `/api/super/users/{id}/removal`. It cannot be cancelled or undone. Should the same person come again with a valid token, sign-up decides as about anybody.
#[utoipa::path(delete, path = "/api/super/users/{id}", tag = "users", request_body = RemovalRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`confirmation_required`, `removal_in_progress` or `owned_by_legacy`")))]
#[worker::send]
pub async fn remove(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<RemovalRequest>,
) -> Result<(StatusCode, Json<ChangeAccepted>), Failure> {
    let user_id = parameters.user()?;
    let key = idempotency::key(&headers)?;
    let local = match &key {
        Some(key) => ExecId::of_key(JobKind::UserRemoval.word(), key),
        None => ExecId::new(entropy::now(), entropy::bytes()?),
    };
    let job_id = JobId::removal(user_id, local);
    // What was confirmed once is not asked for again: its token has expired, and the user's row is gone by then.
    let known = call::make(&stub(&env, user_id)?, &Read {}).await?;
    if let Some(known) = known.filter(|known| known.view.job_id == job_id) {
        return Ok(accepted(user_id, &known.view));
    }
    let user = users::find(&env, user_id).await?;
    placements::with_platform(&env, user_id).await?;
    confirm::given(
        &env,
        &Confirmation {
            action: "remove-user",
            user: user_id,
            generation: 0,
            says: &format!("This removes {user_id} and all that is kept of him, for good."),
        },
        body.confirm.as_deref(),
    )?;
    let submit = Submit {
        job_id,
        user: user_id,
        email: user.email,
        tier: user.tier,
        author: caller.author(),
    };
    match call::make(&stub(&env, user_id)?, &submit).await? {
        Submitted::Accepted { view } => Ok(accepted(user_id, &view)),
        Submitted::Busy { job } => {
            let text = format!("{job} removes this user already.");
            Err(Problem::new(409, "removal_in_progress", text).job(&job).into())
        }
    }
}

fn accepted(user_id: UserId, view: &JobView) -> (StatusCode, Json<ChangeAccepted>) {
    let accepted = ChangeAccepted {
        job_id: view.job_id.clone(),
        state: view.state,
        poll_url: change::poll_url(&view.job_id),
        success: true,
        user_id,
        message: format!("{}: {}", view.title, view.state.word()),
        check_status_url: format!("/api/super/users/{user_id}/removal"),
    };
    (StatusCode::ACCEPTED, Json(accepted))
}

/// What the newest removal of a user removed, place by place, and what was counted there afterwards. Kept for 30 days after its end.
#[utoipa::path(get, path = "/api/super/users/{id}/removal", tag = "users",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = RemovalReport), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn report(State(env): State<Env>, parameters: Parameters) -> Result<Json<RemovalReport>, Failure> {
    let user = parameters.user()?;
    match call::make(&stub(&env, user)?, &Read {}).await? {
        Some(standing) => Ok(Json(standing.report)),
        None => Err(Problem::new(
            404,
            "unknown_removal",
            format!("{user} was not removed within the last 30 days."),
        )
        .labelled("Not found")
        .into()),
    }
}
