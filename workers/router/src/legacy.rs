//! What ran before (`LEGACY`): the target while a flag is off, and what is said where there is none.

use crate::dispatch::{Answered, Call, problem};
use crate::pages;
use molt_common::control;
use molt_common::flag::Flag;
use molt_common::problem::Problem;
use molt_common::route::{Auth, Route};
use molt_platform::forward::Outgoing;
use molt_platform::settings;
use web_sys::Response;
use worker::Result;

/// Whether the operator bound a worker as `LEGACY`. A variable says so: a binding to a worker that does not exist looks bound.
pub fn is_bound(call: &Call<'_>) -> bool {
    settings::text(call.env, "LEGACY_MODE").as_deref() == Some("on")
}

/// Answers a call that `flag` keeps from the new backend of `route`.
pub async fn answer(call: &Call<'_>, route: &Route, flag: Flag) -> Answered {
    if is_bound(call) {
        ("legacy", Auth::None, forward(call).await)
    } else {
        ("router", route.auth, switched_off(call, flag))
    }
}

/// What ran before authenticates by itself, so it gets the credentials; only our own headers are taken off.
async fn forward(call: &Call<'_>) -> Result<Response> {
    let outgoing = Outgoing::new(&call.request.url(), call.request)?;
    outgoing
        .strip(|name| name.replace('_', "-").starts_with("x-molt-") || name == "x-request-id" || name == "expect")?;
    outgoing.set(control::header::REQUEST_ID, &call.id)?;
    outgoing.to_service(call.env, "LEGACY").await
}

fn switched_off(call: &Call<'_>, flag: Flag) -> Result<Response> {
    let name = flag.name();
    let text = format!("This part of the platform is switched off by its operator ({name}).");
    if call.wants_page {
        return pages::notice(call, 503, "Switched off", &text, &[]);
    }
    problem(call, Problem::new(503, "switched_off", text).retry_after(30))
}
