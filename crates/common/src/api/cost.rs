//! Answers about what users cost, and about their budgets. Every figure says whether it was measured or is an estimate.

use crate::budget_call::BudgetUse;
use crate::id::UserId;
use crate::usage::day::Day;
use crate::usage::{Budget, rates};
use serde::{Deserialize, Serialize};

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Basis {
    /// Counted where it happened, or stated by the provider that did it.
    Measured,
    /// Made from what was measured and from published or stated prices.
    Estimated,
}

/// A whole number, and where it comes from. Amounts of money are millionths of a US dollar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Figure {
    /// Null where it is not known.
    pub value: Option<u64>,
    /// Where it comes from.
    pub basis: Basis,
    /// Why it is not known, or what it leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Figure {
    const fn measured(value: u64) -> Self {
        Self {
            value: Some(value),
            basis: Basis::Measured,
            note: None,
        }
    }

    const fn estimated(value: Option<u64>, note: Option<String>) -> Self {
        Self {
            value,
            basis: Basis::Estimated,
            note,
        }
    }
}

/// Containers of one tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerCost {
    /// 1, 2 or 3.
    pub tier: u8,
    /// The platform's name of it.
    pub instance: String,
    /// For how long they ran, measured.
    pub milliseconds: Figure,
    /// Their memory and disk, estimated: paid for as long as they run.
    pub memory_and_disk_micro_usd: Figure,
    /// Their CPU, estimated as if it had been in use all the time: the platform asks for what was in use.
    pub cpu_at_most_micro_usd: Figure,
}

/// Calls to one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProviderCost {
    /// Its id.
    pub provider: String,
    /// Whether the user's own key was shown.
    pub own_key: bool,
    /// Calls that were admitted, measured.
    pub requests: Figure,
    /// Of these, those whose end was not told, so that nothing below holds them; measured.
    pub unended: Figure,
    /// Of these, those without a good and whole answer, measured.
    pub failed: Figure,
    /// Bytes of requests, measured.
    pub request_bytes: Figure,
    /// Bytes of answers, measured.
    pub answer_bytes: Figure,
    /// Tokens that went in, as answers stated them.
    pub input_tokens: Figure,
    /// Of these, those that came from a cache of the provider.
    pub cached_input_tokens: Figure,
    /// Tokens that came out, as answers stated them.
    pub output_tokens: Figure,
    /// What they come to at the prices that the operator states, estimated; null where he states none.
    pub micro_usd: Figure,
}

/// Snapshots in the bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StorageCost {
    /// Megabytes, each counted for each day that it lay there, estimated from the list of snapshots.
    pub megabyte_days: Figure,
    /// What that comes to, estimated.
    pub micro_usd: Figure,
}

/// Everything together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TotalCost {
    /// With the CPU of containers counted as nothing.
    pub at_least_micro_usd: Figure,
    /// With the CPU of containers counted as if it had been in use all the time.
    pub at_most_micro_usd: Figure,
}

/// What something costs the deployment. What a user pays with a key of his own is not in its total.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bill {
    /// By tier.
    pub containers: Vec<ContainerCost>,
    /// By provider, and by whose key.
    pub providers: Vec<ProviderCost>,
    /// Snapshots.
    pub storage: StorageCost,
    /// Together.
    pub total: TotalCost,
}

/// Sums of calls to one provider, as the database has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSums {
    /// Its id.
    pub provider: String,
    /// 1: with the user's own key.
    pub own_key: u64,
    /// Calls admitted.
    pub requests: u64,
    /// Those whose end was told.
    pub ended: u64,
    /// Those without a good and whole answer.
    pub failed: u64,
    /// Bytes of requests.
    pub request_bytes: u64,
    /// Bytes of answers.
    pub answer_bytes: u64,
    /// Calls whose answer stated tokens.
    pub stated: u64,
    /// Tokens in.
    pub input_tokens: u64,
    /// Of these, cached ones.
    pub cached_input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Calls of known price.
    pub priced: u64,
    /// What these come to, in billionths of a dollar.
    pub nano_usd: u64,
}

/// For how long containers of one tier ran, as the database has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSums {
    /// 1, 2 or 3.
    pub tier: u8,
    /// Milliseconds.
    pub ms: u64,
}

impl Bill {
    /// Of what was counted.
    #[must_use]
    pub fn of(calls: &[CallSums], runs: &[RunSums], megabyte_days: u64) -> Self {
        let costs = runs.iter().map(|run| rates::run(run.tier, run.ms));
        let fixed = costs
            .clone()
            .fold(0, |sum: u64, cost| sum.saturating_add(cost.memory_and_disk));
        let cpu = costs.fold(0, |sum: u64, cost| sum.saturating_add(cost.cpu_at_most));
        let of_platform = || calls.iter().filter(|sums| sums.own_key == 0);
        let tokens = of_platform().fold(0, |sum: u64, sums| sum.saturating_add(sums.nano_usd));
        let unknown = of_platform().fold(0, |sum: u64, sums| {
            sum.saturating_add(sums.requests.saturating_sub(sums.priced))
        });
        let stored = rates::storage(megabyte_days);
        let least = fixed.saturating_add(tokens).saturating_add(stored);
        let note = (unknown > 0).then(|| format!("without {unknown} calls to providers whose cost is not known"));
        Self {
            containers: runs.iter().map(container).collect(),
            providers: calls.iter().map(provider).collect(),
            storage: StorageCost {
                megabyte_days: Figure::estimated(Some(megabyte_days), None),
                micro_usd: Figure::estimated(Some(rates::micros(stored)), None),
            },
            total: TotalCost {
                at_least_micro_usd: Figure::estimated(Some(rates::micros(least)), note.clone()),
                at_most_micro_usd: Figure::estimated(Some(rates::micros(least.saturating_add(cpu))), note),
            },
        }
    }
}

fn container(run: &RunSums) -> ContainerCost {
    let cost = rates::run(run.tier, run.ms);
    ContainerCost {
        tier: run.tier,
        instance: format!("standard-{}", run.tier),
        milliseconds: Figure::measured(run.ms),
        memory_and_disk_micro_usd: Figure::estimated(Some(rates::micros(cost.memory_and_disk)), None),
        cpu_at_most_micro_usd: Figure::estimated(Some(rates::micros(cost.cpu_at_most)), None),
    }
}

fn provider(sums: &CallSums) -> ProviderCost {
    let silent = sums.ended.saturating_sub(sums.stated);
    let tokens = |value| Figure {
        note: (silent > 0).then(|| format!("{silent} answers stated none")),
        ..Figure::measured(value)
    };
    ProviderCost {
        provider: sums.provider.clone(),
        own_key: sums.own_key != 0,
        requests: Figure::measured(sums.requests),
        unended: Figure::measured(sums.requests.saturating_sub(sums.ended)),
        failed: Figure::measured(sums.failed),
        request_bytes: Figure::measured(sums.request_bytes),
        answer_bytes: Figure::measured(sums.answer_bytes),
        input_tokens: tokens(sums.input_tokens),
        cached_input_tokens: tokens(sums.cached_input_tokens),
        output_tokens: tokens(sums.output_tokens),
        micro_usd: money(sums),
    }
}

fn money(sums: &CallSums) -> Figure {
    if sums.own_key != 0 {
        return Figure::estimated(None, Some("paid with the user's own key".into()));
    }
    let silent = sums.requests.saturating_sub(sums.stated);
    let unpriced = sums.stated.saturating_sub(sums.priced);
    let why: Vec<String> = [
        (unpriced, "no price is stated for the models of"),
        (silent, "no tokens are known of"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{what} {count} calls"))
    .collect();
    Figure::estimated(
        (sums.priced > 0).then(|| rates::micros(sums.nano_usd)),
        (!why.is_empty()).then(|| why.join("; ")),
    )
}

/// What one user costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserCost {
    /// His id.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// His name.
    pub name: String,
    /// What he costs.
    pub bill: Bill,
}

/// Answer to `GET /api/super/cost`: as the sandboxes told last, which for what runs is about a minute old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetCost {
    /// First day, of UTC.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "date"))]
    pub from: Day,
    /// Last day.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "date"))]
    pub to: Day,
    /// Of all users who are asked for, whatever the page.
    pub total: Bill,
    /// Users of whom something was counted, by id.
    pub users: Vec<UserCost>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// When the platform's rates were read.
    pub rates_read_on: String,
}

/// What a day cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DayCost {
    /// Which.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "date"))]
    pub day: Day,
    /// What it cost.
    pub bill: Bill,
}

/// Answer to `GET /api/super/users/{id}/cost`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserCostByDay {
    /// Whom.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// First day, of UTC.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "date"))]
    pub from: Day,
    /// Last day.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "date"))]
    pub to: Day,
    /// Of all these days.
    pub total: Bill,
    /// Days on which something was counted.
    pub days: Vec<DayCost>,
    /// When the platform's rates were read.
    pub rates_read_on: String,
}

/// Answer to the calls about a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BudgetAnswer {
    /// Whose.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Null: nothing is limited.
    pub budget: Option<Budget>,
    /// What is used, whether it is limited or not.
    pub used: BudgetUse,
    /// What is nearly or wholly used up, in words.
    pub warning: Option<String>,
    /// When the day is counted anew, ISO-8601.
    pub day_resets_at: String,
    /// When the month is.
    pub month_resets_at: String,
}

#[cfg(test)]
#[path = "cost_tests.rs"]
mod tests;
