//! Calls to a `Sandbox` Durable Object about its user's budget.

use crate::audit::Author;
use crate::id::UserId;
use crate::object_call::Call;
use crate::usage::Budget;
use serde::{Deserialize, Serialize};

/// What of a budget is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BudgetUse {
    /// Calls admitted today.
    pub requests_today: u64,
    /// Tokens of calls that began today, in and out, as far as answers stated them.
    pub tokens_today: u64,
    /// The same of this month.
    pub tokens_this_month: u64,
}

/// How a user's budget stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetStanding {
    /// `None`: nothing is limited.
    pub budget: Option<Budget>,
    /// What is used, whether it is limited or not.
    pub used: BudgetUse,
    /// What is nearly or wholly used up, in words.
    pub warning: Option<String>,
}

/// How it stands. Starts nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetBudget {
    /// Whose.
    pub owner: UserId,
}

impl Call for GetBudget {
    const PATH: &'static str = "/budget/get";
    type Answer = BudgetStanding;
}

/// Sets it, or takes it away. Counts from the next call to a provider on; noted in the audit trail.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetBudget {
    /// Whose.
    pub owner: UserId,
    /// From now on; `None`: nothing is limited.
    pub budget: Option<Budget>,
    /// Who sets it.
    pub by: Author,
}

impl Call for SetBudget {
    const PATH: &'static str = "/budget/set";
    type Answer = BudgetStanding;
}
