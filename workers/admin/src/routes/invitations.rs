//! Who may become a user where sign-up is by invitation.

use crate::caller::Caller;
use crate::control_plane::calls::SetInvitation;
use crate::control_plane::stub;
use crate::extract::{InvitationPage, JsonBody, Parameters};
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use molt_common::paging;
use molt_common::problem::Problem;
use molt_common::signup::Address;
use molt_platform::call;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use worker::Env;
use worker::d1::D1Type;

/// Whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationRequest {
    /// E-mail address.
    email: String,
}

/// An invitation.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
pub struct Invitation {
    /// E-mail address, lower case.
    email: String,
    /// ISO-8601.
    created_at: String,
    /// `bootstrap` or `key:<id>`.
    invited_by: String,
    /// ISO-8601; null while it is unused.
    used_at: Option<String>,
    /// Id of the user it made; null while it is unused.
    used_by: Option<String>,
}

/// A page of invitations.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationList {
    invitations: Vec<Invitation>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// What came of an invitation.
#[derive(Serialize, ToSchema)]
pub struct InvitationOutcome {
    /// E-mail address, lower case.
    email: String,
    /// Whether it is invited now.
    invited: bool,
    /// Whether this call changed that.
    changed: bool,
    /// Whether sign-up sees it already; if not, it will soon.
    listed: bool,
}

/// Invites an address. Doing it twice does no harm.
#[utoipa::path(post, path = "/api/super/invitations", tag = "users", request_body = InvitationRequest,
    responses((status = 201, body = InvitationOutcome), (status = 400, body = Problem)))]
#[worker::send]
pub async fn create(
    State(env): State<Env>,
    caller: Caller,
    JsonBody(request): JsonBody<InvitationRequest>,
) -> Result<(StatusCode, Json<InvitationOutcome>), Failure> {
    let outcome = set(&env, &caller, &request.email, true).await?;
    Ok((StatusCode::CREATED, outcome))
}

/// Takes an invitation back. The user whom a used one made stays.
#[utoipa::path(delete, path = "/api/super/invitations/{email}", tag = "users", params(("email" = String, Path)),
    responses((status = 200, body = InvitationOutcome), (status = 400, body = Problem)))]
#[worker::send]
pub async fn withdraw(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<InvitationOutcome>, Failure> {
    set(&env, &caller, parameters.text("email"), false).await
}

async fn set(env: &Env, caller: &Caller, email: &str, invited: bool) -> Result<Json<InvitationOutcome>, Failure> {
    let email = email.trim().to_lowercase();
    if Address::parse(&email).is_none() {
        return Err(Problem::invalid("email", "is not a plain e-mail address").into());
    }
    let set = SetInvitation {
        email: email.clone(),
        invited,
        author: caller.author(),
    };
    let outcome = call::make(&stub(env)?, &set).await?;
    Ok(Json(InvitationOutcome {
        email,
        invited,
        changed: outcome.changed,
        listed: outcome.copied,
    }))
}

/// Lists invitations by address.
#[utoipa::path(get, path = "/api/super/invitations", tag = "users",
    params(("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 100 when absent")),
    responses((status = 200, body = InvitationList), (status = 400, body = Problem)))]
#[worker::send]
pub async fn list(State(env): State<Env>, page: InvitationPage) -> Result<Json<InvitationList>, Failure> {
    let limit = i32::try_from(paging::rows_to_ask_for(page.limit)).unwrap_or(i32::MAX);
    let rows = env
        .d1("PLATFORM_DB")?
        .prepare(
            "SELECT email, created_at, invited_by, used_at, used_by FROM invitations WHERE email > ?1 ORDER BY email LIMIT ?2",
        )
        .bind_refs(&[D1Type::Text(&page.cursor), D1Type::Integer(limit)])?
        .all()
        .await?
        .results::<Invitation>()?;
    let (invitations, next_cursor) = paging::page(rows, page.limit, |last| last.email.clone());
    Ok(Json(InvitationList {
        invitations,
        next_cursor,
    }))
}
