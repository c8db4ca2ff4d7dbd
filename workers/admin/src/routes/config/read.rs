//! Reading the configuration, its history, and what differs.

use super::{Tagged, sandbox, shown, tagged, unreadable, version};
use crate::extract::{Asked, ChangePage, Parameters};
use crate::respond::Failure;
use crate::users;
use axum::Json;
use axum::extract::State;
use molt_common::api::config::{ConfigAnswer, ConfigDiff, ConfigHistory, ConfigReloaded};
use molt_common::config_call::{CompareConfig, ConfigRead, ConfigState, ConfigView, GetConfig, ListConfigVersions};
use molt_common::id::UserId;
use molt_common::problem::Problem;
use molt_platform::call;
use worker::Env;

async fn view(env: &Env, owner: UserId) -> Result<ConfigView, Failure> {
    users::find(env, owner).await?;
    match call::make(&sandbox(env, owner)?, &GetConfig { owner }).await? {
        ConfigRead::Found { view } => Ok(*view),
        ConfigRead::Unreadable { error } => Err(unreadable(&error).into()),
    }
}

/// The configuration of a user's agent, layer by layer.
///
/// A running sandbox is asked; none is started or woken. Of secrets that stand in it only the places are shown, as `__MOLT_KEPT__`.
#[utoipa::path(get, path = "/api/super/users/{id}/config", tag = "config",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = ConfigAnswer, headers(("ETag" = String, description = "Content hash of the user's part, in quotes"))),
              (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`config_unreadable`")))]
#[worker::send]
pub async fn read(State(env): State<Env>, parameters: Parameters) -> Result<Tagged<ConfigAnswer>, Failure> {
    let user = parameters.user()?;
    let view = view(&env, user).await?;
    Ok(tagged(&view.hash.clone(), shown(user, view)))
}

/// The versions of the user's part, newest first; the newest 100 are kept.
#[utoipa::path(get, path = "/api/super/users/{id}/config/history", tag = "config",
    params(("id" = String, Path, format = "uuid"), ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query, description = "1 to 200; 100 when absent")),
    responses((status = 200, body = ConfigHistory), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn history(
    State(env): State<Env>,
    parameters: Parameters,
    page: ChangePage,
) -> Result<Json<ConfigHistory>, Failure> {
    let user_id = parameters.user()?;
    users::find(&env, user_id).await?;
    let asked = ListConfigVersions {
        before: page.cursor.parse().ok(),
        limit: page.limit,
    };
    let found = call::make(&sandbox(&env, user_id)?, &asked).await?;
    let last = found.versions.last().map(|version| version.version.to_string());
    Ok(Json(ConfigHistory {
        user_id,
        next_cursor: last.filter(|_| found.more),
        history: found.versions.into_iter().map(version).collect(),
    }))
}

/// What differs between two versions, as a JSON Patch; `to` is the current one when absent.
#[utoipa::path(get, path = "/api/super/users/{id}/config/diff", tag = "config",
    params(("id" = String, Path, format = "uuid"), ("from" = u64, Query), ("to" = Option<u64>, Query)),
    responses((status = 200, body = ConfigDiff), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn diff(State(env): State<Env>, parameters: Parameters, asked: Asked) -> Result<Json<ConfigDiff>, Failure> {
    let user_id = parameters.user()?;
    let number = |name: &str| match asked.text(name) {
        None => Ok(None),
        Some(text) => match text.parse::<u64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Problem::invalid(name, "must be a version of the history")),
        },
    };
    let from = number("from")?.ok_or_else(|| Problem::invalid("from", "is missing"))?;
    let to = number("to")?;
    users::find(&env, user_id).await?;
    let found = call::make(&sandbox(&env, user_id)?, &CompareConfig { from, to }).await?;
    let found = found.ok_or_else(|| Problem::not_found("One of the versions is not kept (any more)."))?;
    Ok(Json(ConfigDiff {
        user_id,
        from: version(found.from),
        to: version(found.to),
        diff: found.steps,
    }))
}

/// Kept for older scripts: the agent takes changes into use by itself, so there is nothing to reload. Says where the configuration is.
#[utoipa::path(post, path = "/api/super/users/{id}/config/reload", tag = "config",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = ConfigReloaded), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`config_unreadable`")))]
#[worker::send]
pub async fn reload(State(env): State<Env>, parameters: Parameters) -> Result<Json<ConfigReloaded>, Failure> {
    let user_id = parameters.user()?;
    let state = view(&env, user_id).await?.state;
    let message = match state {
        ConfigState::Applied => "The running agent has this configuration; it takes changes into use by itself.",
        ConfigState::Staged => "The agent gets it when its sandbox starts.",
        ConfigState::Stored => "The sandbox does not run; the agent reads its configuration when it starts.",
    };
    Ok(Json(ConfigReloaded {
        user_id,
        state,
        success: true,
        message: message.into(),
    }))
}
