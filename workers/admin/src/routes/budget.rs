//! Budgets of users: how far an agent may go with providers.

use crate::caller::Caller;
use crate::extract::{JsonBody, Parameters};
use crate::respond::Failure;
use crate::users;
use axum::Json;
use axum::extract::State;
use molt_common::api::cost::BudgetAnswer;
use molt_common::budget_call::{BudgetStanding, GetBudget, SetBudget};
use molt_common::id::{SandboxId, UserId};
use molt_common::problem::Problem;
use molt_common::usage::Budget;
use molt_common::usage::day::Day;
use molt_platform::{call, entropy};
use worker::Env;

/// A user's budget and what of it is used, as his sandbox's object counts it now. Starts nothing.
#[utoipa::path(get, path = "/api/super/users/{id}/budget", tag = "cost",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = BudgetAnswer), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn read(State(env): State<Env>, parameters: Parameters) -> Result<Json<BudgetAnswer>, Failure> {
    let user = parameters.user()?;
    users::find(&env, user).await?;
    let sandbox = call::sandbox(&env, &SandboxId::personal(user))?;
    Ok(Json(shown(
        user,
        call::make(&sandbox, &GetBudget { owner: user }).await?,
    )))
}

/// Sets a user's budget as a whole: what is absent is not limited. It counts from the next call on; a call that has begun goes on to its end.
#[utoipa::path(put, path = "/api/super/users/{id}/budget", tag = "cost", request_body = Budget,
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = BudgetAnswer), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn set(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    JsonBody(budget): JsonBody<Budget>,
) -> Result<Json<BudgetAnswer>, Failure> {
    let user = parameters.user()?;
    budget.check()?;
    put(&env, &caller, user, Some(budget)).await
}

/// Takes a user's budget away: nothing is limited then.
#[utoipa::path(delete, path = "/api/super/users/{id}/budget", tag = "cost",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = BudgetAnswer), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn clear(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<BudgetAnswer>, Failure> {
    let user = parameters.user()?;
    put(&env, &caller, user, None).await
}

async fn put(env: &Env, caller: &Caller, owner: UserId, budget: Option<Budget>) -> Result<Json<BudgetAnswer>, Failure> {
    users::find(env, owner).await?;
    let set = SetBudget {
        owner,
        budget,
        by: caller.author(),
    };
    let sandbox = call::sandbox(env, &SandboxId::personal(owner))?;
    Ok(Json(shown(owner, call::make(&sandbox, &set).await?)))
}

fn shown(user_id: UserId, standing: BudgetStanding) -> BudgetAnswer {
    let today = Day::of(entropy::now());
    BudgetAnswer {
        user_id,
        budget: standing.budget,
        used: standing.used,
        warning: standing.warning,
        day_resets_at: today.next().start().iso(),
        month_resets_at: today.next_month().start().iso(),
    }
}
