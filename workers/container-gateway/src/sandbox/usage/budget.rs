//! The user's budget: read and set by operators, obeyed by `providers::admit`.

use super::store::Usage;
use crate::sandbox::changes::notes;
use crate::sandbox::config::calls::must_be_of;
use crate::sandbox_do::Sandbox;
use molt_common::budget_call::{BudgetStanding, BudgetUse, GetBudget, SetBudget};
use molt_lifecycle::metering::admission;
use molt_platform::{entropy, transaction};
use serde_json::json;
use worker::Result;

/// How it stands.
pub fn get(object: &Sandbox, asked: &GetBudget) -> Result<BudgetStanding> {
    must_be_of(object, asked.owner)?;
    standing(object)
}

/// Sets it, or takes it away. The same again changes nothing.
pub fn set(object: &Sandbox, asked: &SetBudget) -> Result<BudgetStanding> {
    must_be_of(object, asked.owner)?;
    let usage = Usage::of(object)?;
    let before = usage.budget()?;
    if before != asked.budget {
        transaction::atomically(&object.state, || {
            usage.set_budget(asked.budget.as_ref())?;
            let detail = json!({"before": before, "after": asked.budget});
            let target = asked.owner.to_string();
            notes::note(object, asked.owner, &asked.by, "budget.set", &target, &detail)
        })?;
    }
    standing(object)
}

fn standing(object: &Sandbox) -> Result<BudgetStanding> {
    let usage = Usage::of(object)?;
    let now = entropy::now();
    let counts = usage.counts(0, "", now)?;
    let budget = usage.budget()?;
    Ok(BudgetStanding {
        warning: budget
            .as_ref()
            .and_then(|budget| admission::warning(budget, &counts, now)),
        budget,
        used: BudgetUse {
            requests_today: counts.requests_today,
            tokens_today: counts.tokens_today,
            tokens_this_month: counts.tokens_month,
        },
    })
}
