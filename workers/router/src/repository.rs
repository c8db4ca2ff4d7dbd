//! Calls to a repository from outside, as an operator's restic makes them: passed to the gateway with their credential, which only the gateway can read,
//! and with nothing else that would speak for somebody. They are counted by address.

use crate::body::Body;
use crate::dispatch::{self, Answered, Call, GATEWAY};
use crate::limits;
use molt_common::access;
use molt_common::control::header::{CLIENT_IP, REQUEST_ID};
use molt_common::problem::Problem;
use molt_common::route::{Auth, Route};
use molt_platform::forward::header;
use molt_platform::log;
use serde_json::json;
use web_sys::Response;
use worker::Result;

/// Answers one. No page of any origin may read the answer.
pub async fn answer(call: &Call<'_>, route: &Route) -> Answered {
    if let Err(refused) = limits::unverified(call, route).await {
        return ("router", Auth::None, dispatch::problem(call, refused));
    }
    match passed(call).await {
        Ok(response) => ("container-gateway", Auth::None, Ok(response)),
        Err(error) => {
            log::error(
                "repository_unreachable",
                json!({"requestId": call.id, "error": error.to_string()}),
            );
            let problem = Problem::new(
                503,
                "repository_unavailable",
                "Repositories cannot be reached just now.",
            );
            ("router", Auth::None, dispatch::problem(call, problem.retry_after(2)))
        }
    }
}

async fn passed(call: &Call<'_>) -> Result<Response> {
    let credential = header(call.request, "authorization");
    let client = header(call.request, "cf-connecting-ip");
    let outgoing = Body::passing(call).outgoing(call)?;
    outgoing.strip(|name| access::is_stripped(name) || name.eq_ignore_ascii_case("cookie"))?;
    if let Some(credential) = credential {
        outgoing.set("authorization", &credential)?;
    }
    outgoing.set(REQUEST_ID, &call.id)?;
    outgoing.set(CLIENT_IP, client.as_deref().unwrap_or("unknown"))?;
    outgoing.to_service(call.env, GATEWAY).await
}
