//! What a sandbox asks of the internet, where its ways out lead through the edge: the host is looked at, and the request goes on as it is.
//!
//! Which sandbox asks says the runtime (`SandboxProps`), never the request. Only requests that the runtime intercepted come here; what is decided by the
//! lists is `molt_common::outbound_policy`, and what is intercepted is docs/outbound.md.

mod lists;

use molt_common::id;
use molt_common::outbound_call::OutboundAdmission;
use molt_common::outbound_policy::{Verdict, decide};
use molt_common::problem::Problem;
use molt_common::sandbox_props::SandboxProps;
use molt_platform::forward::Outgoing;
use molt_platform::unwound::{Panicked, unwound};
use molt_platform::{entropy, log, respond, settings};
use serde_json::json;
use url::Url;
use web_sys::{Request, Response};
use worker::{Env, Result};

/// Variable of development: where requests go instead of to their hosts, which are named in [`FORWARD_HEADER`]. The local runtime would connect to
/// addresses of the developer's own network; the local engine does not.
const FORWARDER: &str = "OUTBOUND_FORWARDER";
/// Header for the URL that is meant.
const FORWARD_HEADER: &str = "x-molt-outbound-url";

/// Answers what a sandbox asked of `url`.
pub async fn answer(request: &Request, env: &Env, url: &Url, props: &SandboxProps) -> Result<Response> {
    let request_id = id::request_id(entropy::bytes()?);
    let problem = match unwound(attempt(request, env, url, props)).await {
        Ok(Ok(answered)) => return Ok(answered),
        Ok(Err(problem)) => *problem,
        Err(Panicked) => {
            log::error("outbound_panicked", json!({"requestId": request_id}));
            Problem::internal()
        }
    };
    log::info(
        "outbound_refused",
        json!({"requestId": request_id, "sandbox": props.sandbox, "host": url.host_str(), "code": problem.code}),
    );
    respond::problem(&problem.request(&request_id))
}

async fn attempt(
    request: &Request,
    env: &Env,
    url: &Url,
    props: &SandboxProps,
) -> std::result::Result<Response, Box<Problem>> {
    let host = url.host_str().unwrap_or_default();
    let admission = lists::of(env, &props.sandbox).await.map_err(|error| {
        log::error(
            "outbound_lists_unknown",
            json!({"sandbox": props.sandbox, "error": error.to_string()}),
        );
        Problem::new(
            503,
            "outbound_undecided",
            format!("Whether this sandbox may reach {host} could not be found out just now."),
        )
        .retry_after(1)
    })?;
    let policy = match admission {
        OutboundAdmission::By { policy } => policy,
        OutboundAdmission::Closed => return Err(denied("Sandboxes of this deployment do not reach the internet.")),
    };
    match decide(&policy, host, url.port()) {
        Verdict::Allowed => {}
        verdict => return Err(denied(&verdict.why_not(host).unwrap_or_default())),
    }
    carry(request, env, url).await.map_err(|error| {
        log::info(
            "outbound_unreachable",
            json!({"host": host, "error": error.to_string()}),
        );
        Box::new(Problem::new(
            502,
            "outbound_unreachable",
            format!("{host} could not be reached."),
        ))
    })
}

fn denied(why: &str) -> Box<Problem> {
    Box::new(Problem::new(403, "outbound_denied", why))
}

/// Sends it on and gives back what comes, both as streams.
async fn carry(request: &Request, env: &Env, url: &Url) -> Result<Response> {
    let outgoing = match settings::text(env, FORWARDER) {
        Some(forwarder) => {
            let outgoing = Outgoing::new(&forwarder, request)?;
            outgoing.set(FORWARD_HEADER, url.as_str())?;
            outgoing
        }
        None => Outgoing::new(url.as_str(), request)?,
    };
    outgoing.to_internet().await
}
