//! The commands of a user's sandbox, newest first.

use crate::exec_store::read_calls::ListExecs;
use crate::exec_store::stub;
use crate::extract::Parameters;
use crate::respond::Failure;
use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use http::request::Parts;
use molt_common::api::exec::ExecList;
use molt_common::exec_filter::ExecFilter;
use molt_common::problem::Problem;
use molt_platform::call;
use worker::Env;

/// The commands of a user's sandbox that are kept, newest first, without their output.
///
/// Those that have not ended are all there, of the others the newest hundred for a day. `stats` is about all of them, whatever the filter.
#[utoipa::path(get, path = "/api/super/users/{id}/exec", tag = "exec",
    params(("id" = String, Path, format = "uuid"),
           ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page, 50 when absent"),
           ("state" = Option<String>, Query, description = "States, separated by commas or in several parameters; all when absent"),
           ("status" = Option<String>, Query, description = "The old words, likewise: `running`, `completed`, `error`"),
           ("since" = Option<String>, Query, description = "Submitted then or later: ISO-8601, or milliseconds since 1970"),
           ("until" = Option<String>, Query, description = "Submitted before then, likewise")),
    responses((status = 200, body = ExecList), (status = 400, body = Problem)))]
#[worker::send]
pub async fn list(
    State(env): State<Env>,
    parameters: Parameters,
    Wanted(asked): Wanted,
) -> Result<Json<ExecList>, Failure> {
    let user_id = parameters.user()?;
    Ok(Json(call::make(&stub(&env, user_id)?, &asked).await?))
}

/// Which page of which commands.
pub struct Wanted(ListExecs);

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Ok(Query(query)) = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await else {
            return Err(Problem::invalid("query", "is not a form").into());
        };
        let filter = ExecFilter::read(&query)?;
        Ok(Self(ListExecs { filter }))
    }
}
