//! One user: created before he ever comes, shown, and called otherwise.

use crate::caller::Caller;
use crate::control_plane::calls::SetProfile;
use crate::control_plane::stub;
use crate::extract::{JsonBody, Parameters};
use crate::respond::Failure;
use crate::users::{self, User};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use molt_common::api::users::{ChangeUser, CreateUser};
use molt_common::audit_call::NoteEnrolment;
use molt_common::id::{SandboxId, UserId};
use molt_common::problem::Problem;
use molt_platform::call;
use worker::Env;

/// Creates a user, who then comes with his first token whatever sign-up says.
#[utoipa::path(post, path = "/api/super/users", tag = "users", request_body = CreateUser,
    responses((status = 201, body = User), (status = 400, body = Problem), (status = 409, body = Problem, description = "`user_exists`")))]
#[worker::send]
pub async fn create(
    State(env): State<Env>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateUser>,
) -> Result<(StatusCode, Json<User>), Failure> {
    let profile = body.profile()?;
    let user = body.user_id;
    match users::find(&env, user).await {
        Ok(_) => return Err(Problem::new(409, "user_exists", format!("There is a user {user} already.")).into()),
        Err(failure) if failure.0.status == 404 => {}
        Err(failure) => return Err(failure),
    }
    // Nobody comes without a note, whoever makes him a user.
    let enrolment = NoteEnrolment {
        user,
        author: caller.author(),
    };
    call::make(&call::sandbox(&env, &SandboxId::personal(user))?, &enrolment).await?;
    let set = SetProfile {
        user,
        create: Some(body.tier.unwrap_or(1)),
        profile,
        author: caller.author(),
    };
    let user = copied(&env, &set).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// One user.
#[utoipa::path(get, path = "/api/super/users/{id}", tag = "users",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = User), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn read(State(env): State<Env>, parameters: Parameters) -> Result<Json<User>, Failure> {
    Ok(Json(users::find(&env, parameters.user()?).await?))
}

/// Changes a user's name or address. What is absent stays; a null address is taken away.
#[utoipa::path(patch, path = "/api/super/users/{id}", tag = "users", request_body = ChangeUser,
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = User), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn change(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    JsonBody(body): JsonBody<ChangeUser>,
) -> Result<Json<User>, Failure> {
    let user: UserId = parameters.user()?;
    let profile = body.profile()?;
    users::find(&env, user).await?;
    let set = SetProfile {
        user,
        create: None,
        profile,
        author: caller.author(),
    };
    copied(&env, &set).await.map(Json)
}

/// The user as lists show him, once the change is there.
async fn copied(env: &Env, set: &SetProfile) -> Result<User, Failure> {
    let outcome = call::make(&stub(env)?, set).await?;
    if !outcome.copied {
        let text = "It is noted, and lists will show it as soon as the database answers.";
        return Err(Problem::new(503, "database_unavailable", text).retry_after(2).into());
    }
    users::find(env, set.user).await
}
