//! What users cost: what their sandboxes have counted, and what that comes to at published rates.

use crate::cost::{self, By, Scope, Sums};
use crate::extract::{Asked, Page, Parameters};
use crate::respond::Failure;
use crate::users;
use axum::Json;
use axum::extract::State;
use molt_common::api::cost::{Bill, DayCost, FleetCost, UserCost, UserCostByDay};
use molt_common::id::UserId;
use molt_common::paging;
use molt_common::problem::Problem;
use molt_common::provider;
use molt_common::usage::day::Day;
use molt_common::usage::range::Range;
use molt_common::usage::rates;
use molt_platform::entropy;
use serde::Serialize;
use utoipa::ToSchema;
use worker::Env;

fn today() -> Day {
    Day::of(entropy::now())
}

fn scope(asked: &Asked, users: Option<Vec<UserId>>) -> Result<Scope, Problem> {
    let range = Range::read(asked.text("from"), asked.text("to"), asked.text("days"), today())?;
    let provider = asked.text("provider").map(str::to_owned);
    if provider.as_deref().is_some_and(|id| !provider::is_id(id)) {
        return Err(Problem::invalid("provider", "must be the id of a provider"));
    }
    Ok(Scope { range, users, provider })
}

fn bill(sums: &Sums, key: &str) -> Bill {
    let calls = sums.calls.get(key).map_or(&[] as &[_], Vec::as_slice);
    let runs = sums.runs.get(key).map_or(&[] as &[_], Vec::as_slice);
    Bill::of(calls, runs, sums.stored.get(key).copied().unwrap_or(0))
}

/// What all users cost, together and one by one, in days of UTC. Each figure is marked `measured` or `estimated`; money is in millionths of a US dollar.
#[utoipa::path(get, path = "/api/super/cost", tag = "cost",
    params(("from" = Option<String>, Query, format = "date", description = "First day; thirty days before the last when absent"),
           ("to" = Option<String>, Query, format = "date", description = "Last day; today when absent. At most 366 days in all"),
           ("days" = Option<u32>, Query, description = "So many days up to today instead, 1 to 366"),
           ("user" = Option<String>, Query, format = "uuid", description = "Only his"),
           ("provider" = Option<String>, Query, description = "Only calls to this one"),
           ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 100 when absent")),
    responses((status = 200, body = FleetCost), (status = 400, body = Problem)))]
#[worker::send]
pub async fn fleet(State(env): State<Env>, asked: Asked, page: Page) -> Result<Json<FleetCost>, Failure> {
    let user = asked
        .text("user")
        .map(|text| UserId::parse(text).map_err(|error| Problem::invalid("user", error)));
    let scope = scope(&asked, user.transpose()?.map(|user| vec![user]))?;
    let (from, to) = (scope.range.from, scope.range.to);
    let Some(scope) = scope.until(today()) else {
        return Ok(Json(FleetCost {
            from,
            to,
            total: bill(&Sums::default(), ""),
            users: vec![],
            next_cursor: None,
            rates_read_on: rates::READ_ON.into(),
        }));
    };
    let total = bill(&cost::sums(&env, &scope, By::Nothing).await?, "");
    let found = cost::users(&env, &scope, &page.cursor, paging::rows_to_ask_for(page.limit)).await?;
    let (found, next_cursor) = paging::page(found, page.limit, |who| who.id.clone());
    let ids = found
        .iter()
        .map(|who| UserId::parse(&who.id).map_err(|error| worker::Error::RustError(format!("user id: {error}"))))
        .collect::<Result<Vec<UserId>, _>>()?;
    let of_page = Scope {
        users: Some(ids.clone()),
        ..scope
    };
    let sums = cost::sums(&env, &of_page, By::User).await?;
    let users = found.into_iter().zip(ids).map(|(who, user_id)| UserCost {
        bill: bill(&sums, &who.id),
        user_id,
        name: who.name,
    });
    Ok(Json(FleetCost {
        from,
        to,
        total,
        users: users.collect(),
        next_cursor,
        rates_read_on: rates::READ_ON.into(),
    }))
}

/// What a user costs, together and day by day, as `/api/super/cost`.
#[utoipa::path(get, path = "/api/super/users/{id}/cost", tag = "cost",
    params(("id" = String, Path, format = "uuid"),
           ("from" = Option<String>, Query, format = "date", description = "First day; thirty days before the last when absent"),
           ("to" = Option<String>, Query, format = "date", description = "Last day; today when absent. At most 366 days in all"),
           ("days" = Option<u32>, Query, description = "So many days up to today instead, 1 to 366"),
           ("provider" = Option<String>, Query, description = "Only calls to this one")),
    responses((status = 200, body = UserCostByDay), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn of_user(
    State(env): State<Env>,
    parameters: Parameters,
    asked: Asked,
) -> Result<Json<UserCostByDay>, Failure> {
    by_day(&env, &parameters, &asked).await.map(Json)
}

/// `GET /api/super/users/{id}/cost` under the address that older scripts know.
#[utoipa::path(get, path = "/api/super/cost/users/{id}", tag = "cost",
    params(("id" = String, Path, format = "uuid"),
           ("from" = Option<String>, Query, format = "date"), ("to" = Option<String>, Query, format = "date"),
           ("days" = Option<u32>, Query), ("provider" = Option<String>, Query)),
    responses((status = 200, body = UserCostByDay), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn of_user_as_before(
    State(env): State<Env>,
    parameters: Parameters,
    asked: Asked,
) -> Result<Json<UserCostByDay>, Failure> {
    by_day(&env, &parameters, &asked).await.map(Json)
}

async fn by_day(env: &Env, parameters: &Parameters, asked: &Asked) -> Result<UserCostByDay, Failure> {
    let user_id = parameters.user()?;
    let scope = scope(asked, Some(vec![user_id]))?;
    users::find(env, user_id).await?;
    let (from, to) = (scope.range.from, scope.range.to);
    let Some(scope) = scope.until(today()) else {
        return Ok(UserCostByDay {
            user_id,
            from,
            to,
            total: bill(&Sums::default(), ""),
            days: vec![],
            rates_read_on: rates::READ_ON.into(),
        });
    };
    let total = bill(&cost::sums(env, &scope, By::Nothing).await?, "");
    let sums = cost::sums(env, &scope, By::Day).await?;
    let days = scope.range.iter().filter_map(|day| {
        let key = day.0.to_string();
        let known = sums.calls.contains_key(&key) || sums.runs.contains_key(&key) || sums.stored.contains_key(&key);
        known.then(|| DayCost {
            day,
            bill: bill(&sums, &key),
        })
    });
    Ok(UserCostByDay {
        user_id,
        from,
        to,
        total,
        days: days.collect(),
        rates_read_on: rates::READ_ON.into(),
    })
}

/// What a tier has, and what it costs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TierRates {
    /// 1, 2 or 3.
    tier: u8,
    /// Thousandths of a virtual CPU.
    milli_vcpu: u64,
    /// GiB.
    memory_gib: u64,
    /// GB.
    disk_gb: u64,
    /// An hour of its memory and disk, in millionths of a dollar.
    memory_and_disk_micro_usd_per_hour: u64,
    /// An hour of its whole CPU.
    cpu_at_most_micro_usd_per_hour: u64,
}

/// The published rates by which estimates are made, in billionths of a US dollar.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rates {
    /// When they were read.
    read_on: String,
    /// Where they stand.
    sources: Vec<String>,
    /// A second of one virtual CPU in use.
    vcpu_second_nano_usd: u64,
    /// A second of a GiB of memory.
    gib_second_nano_usd: u64,
    /// A second of a GB of disk.
    gb_second_nano_usd: u64,
    /// A GB of the bucket for thirty days.
    gb_month_nano_usd: u64,
    /// By tier.
    tiers: Vec<TierRates>,
}

/// The rates of the platform that estimates are made with, with their source and date. Prices of models are the operator's.
#[utoipa::path(get, path = "/api/super/cost/rates", tag = "cost", responses((status = 200, body = Rates)))]
#[worker::send]
pub async fn rates() -> Result<Json<Rates>, Failure> {
    const HOUR_MS: u64 = 3_600_000;
    let tiers = rates::SIZES.iter().map(|size| {
        let hour = rates::run(size.tier, HOUR_MS);
        TierRates {
            tier: size.tier,
            milli_vcpu: size.milli_vcpu,
            memory_gib: size.memory_gib,
            disk_gb: size.disk_gb,
            memory_and_disk_micro_usd_per_hour: rates::micros(hour.memory_and_disk),
            cpu_at_most_micro_usd_per_hour: rates::micros(hour.cpu_at_most),
        }
    });
    let sources = [rates::CONTAINERS_SOURCE, rates::SIZES_SOURCE, rates::STORAGE_SOURCE];
    Ok(Json(Rates {
        read_on: rates::READ_ON.into(),
        sources: sources.map(str::to_owned).to_vec(),
        vcpu_second_nano_usd: rates::VCPU_SECOND_NANOS,
        gib_second_nano_usd: rates::GIB_SECOND_NANOS,
        gb_second_nano_usd: rates::GB_SECOND_NANOS,
        gb_month_nano_usd: rates::GB_MONTH_NANOS,
        tiers: tiers.collect(),
    }))
}
