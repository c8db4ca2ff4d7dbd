//! What the `Sandbox` object counts of its user: calls to providers, for how long containers ran, and what is stored.

pub mod budget;
pub mod containers;
pub mod deliver;
pub mod store;

use crate::sandbox_do::Sandbox;
use molt_common::budget_call::{GetBudget, SetBudget};
use molt_common::object_call::Call;
use molt_platform::call;
use worker::{Request, Response, Result};

pub use molt_lifecycle::metering::tables::SCHEMA;

/// Answers one call about the budget.
pub async fn answer(object: &Sandbox, path: &str, request: &mut Request) -> Result<Response> {
    match path {
        GetBudget::PATH => call::answer::<GetBudget>(&budget::get(object, &call::read(request).await?)?),
        SetBudget::PATH => call::answer::<SetBudget>(&budget::set(object, &call::read(request).await?)?),
        _ => Response::error("no such call", 404),
    }
}
