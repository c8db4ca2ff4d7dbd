//! How far the move of users from what ran before is.

use crate::extract::{Asked, ByUser, Page};
use crate::placements::{self, Counts, Placed};
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use molt_common::ownership::Owner;
use molt_common::paging;
use molt_common::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use worker::Env;

/// How many users are where, and a page of them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Migration {
    /// Whether what ran before is bound (`LEGACY_MODE`). Where it is not, every user is with the platform.
    legacy_mode: bool,
    counts: Counts,
    users: Vec<Placed>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// How far the move of users from what ran before is, as their sandboxes last announced it.
#[utoipa::path(get, path = "/api/super/migration", tag = "migration",
    params(("owner" = Option<Owner>, Query, description = "Only users who are with this one"),
           ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 100 when absent")),
    responses((status = 200, body = Migration), (status = 400, body = Problem)))]
#[worker::send]
pub async fn status(State(env): State<Env>, asked: Asked, page: Page<ByUser>) -> Result<Json<Migration>, Failure> {
    let owner = match asked.text("owner") {
        None => None,
        Some("legacy") => Some(Owner::Legacy),
        Some("new") => Some(Owner::New),
        Some(_) => return Err(Problem::invalid("owner", "must be legacy or new").into()),
    };
    let rows = placements::page(&env, owner, &page.cursor, paging::rows_to_ask_for(page.limit)).await?;
    let (users, next_cursor) = paging::page(rows, page.limit, |user| user.user_id.clone());
    Ok(Json(Migration {
        legacy_mode: placements::legacy_is_bound(&env),
        counts: placements::counts(&env).await?,
        users,
        next_cursor,
    }))
}
