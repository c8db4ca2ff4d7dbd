//! Users.

use crate::extract::{Page, Parameters};
use crate::respond::Failure;
use crate::users::{self, User};
use axum::Json;
use axum::extract::State;
use molt_common::paging;
use molt_common::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use worker::Env;

/// A page of users.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserList {
    users: Vec<User>,
    /// Of all pages.
    total: u32,
    /// Those that are not suspended.
    active: u32,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// Lists users by id.
#[utoipa::path(get, path = "/api/super/users", tag = "users",
    params(("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 100 when absent")),
    responses((status = 200, body = UserList), (status = 400, body = Problem)))]
#[worker::send]
pub async fn list(State(env): State<Env>, page: Page) -> Result<Json<UserList>, Failure> {
    let (rows, counts) = users::list(&env, &page.cursor, paging::rows_to_ask_for(page.limit)).await?;
    let (users, next_cursor) = paging::page(rows, page.limit, |user| user.user_id.clone());
    Ok(Json(UserList {
        users,
        total: counts.total,
        active: counts.active,
        next_cursor,
    }))
}

/// Finds a user by name, whatever its capitals.
#[utoipa::path(get, path = "/api/super/users/lookup/{name}", tag = "users",
    params(("name" = String, Path, description = "Whole name")),
    responses((status = 200, body = User), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "Several users have this name")))]
#[worker::send]
pub async fn lookup(State(env): State<Env>, parameters: Parameters) -> Result<Json<User>, Failure> {
    let name = parameters.text("name");
    let mut found = users::named(&env, name).await?;
    if found.len() > 1 {
        let ids: Vec<&str> = found.iter().map(|user| user.user_id.as_str()).collect();
        let text = format!("Several users are called {name}: {}.", ids.join(", "));
        return Err(Problem::new(409, "ambiguous_name", text).into());
    }
    match found.pop() {
        Some(user) => Ok(Json(user)),
        None => Err(Problem::new(404, "unknown_user", format!("Nobody is called {name}."))
            .labelled("Not found")
            .into()),
    }
}
