//! The admin API: `/api/super/*` for operators and scripts, and the store of exec results.

mod bulk_job;
mod bulk_job_do;
mod caller;
mod changes;
mod confirm;
mod control_plane;
mod control_plane_do;
mod cost;
mod exec_result_store_do;
mod exec_store;
mod extract;
mod idempotency;
mod internal;
mod job_index;
mod metrics;
mod permission;
mod placements;
mod rate_limiter;
mod rate_limiter_do;
mod recovery;
mod respond;
mod routes;
mod user_export;
mod user_removal;
mod user_removal_do;
mod users;

use molt_common::control::header::REQUEST_ID;
use molt_common::identity::Kind;
use molt_common::problem::Problem;
use molt_platform::admitted::verified;
use molt_platform::forward::header;
use molt_platform::unwound::{Panicked, unwound};
use molt_platform::{entropy, log};
use serde_json::json;
use tower_service::Service;
use web_sys::{Request, Response};
use worker::{Context, Env, HttpRequest, Result};
use worker_macros::event;

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Requests come from the router's service binding only; each carries a signed identity.
#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let request_id = header(&request, REQUEST_ID).unwrap_or_default();
    match unwound(answer(request, env, context)).await {
        Ok(answered) => answered,
        Err(Panicked) => {
            log::error("admin_panicked", json!({"requestId": request_id}));
            molt_platform::respond::problem(&Problem::internal().request(&request_id))
        }
    }
}

async fn answer(request: Request, env: Env, context: Context) -> Result<Response> {
    #[cfg(feature = "induced-panic")]
    molt_platform::induced::asked_by(&request, "admin");
    let url = worker::Url::parse(&request.url())?;
    let path = url.path();
    if path == "/health" {
        let body = json!({"status": "healthy", "service": "admin-api", "timestamp": entropy::now().iso()});
        return molt_platform::respond::json(200, &body);
    }
    let kind = if path.starts_with(internal::PREFIX) {
        Kind::Service
    } else {
        Kind::Admin
    };
    let identity = match verified(&request, &env, kind, path) {
        Ok(identity) => identity,
        Err(problem) => return molt_platform::respond::problem(&problem),
    };
    if kind == Kind::Service {
        return internal::answer(&request, &env, path, &identity.rid).await;
    }
    match caller::bootstrap_counts(&env, &identity).await {
        Ok(true) => {}
        Ok(false) => {
            let problem = Problem::new(
                403,
                "bootstrap_off",
                "The bootstrap secret is switched off. Use an admin key.",
            );
            return molt_platform::respond::problem(
                &problem.labelled("Super admin access required").request(&identity.rid),
            );
        }
        Err(error) => {
            log::error(
                "bootstrap_unknown",
                json!({"requestId": identity.rid, "error": error.to_string()}),
            );
            let problem = Problem::new(
                503,
                "trust_unavailable",
                "Whether this credential counts cannot be told just now.",
            );
            return molt_platform::respond::problem(&problem.retry_after(2).request(&identity.rid));
        }
    }
    caller::note_use(&env, &context, &identity);
    // A second handle to the same request; its own method `clone` would tee the body.
    let streamed = routes::files::is_at(path).then(|| extract::Streamed::new(Clone::clone(&request)));
    let request = match &streamed {
        Some(_) => molt_platform::forward::without_body(&request)?,
        None => request,
    };
    // The runtime passes on values that HTTP does not allow; the `http` crate does not.
    let Ok(mut incoming) = HttpRequest::try_from(worker::Request::from(request)) else {
        let problem = Problem::invalid("headers", "hold a value that HTTP does not allow").request(&identity.rid);
        return molt_platform::respond::problem(&problem);
    };
    let request_id = identity.rid.clone();
    incoming.extensions_mut().insert(identity);
    if let Some(streamed) = streamed {
        incoming.extensions_mut().insert(streamed);
    }
    let mut response = routes::router(&env).call(incoming).await?;
    if let Some(respond::Failure(problem)) = response.extensions_mut().remove() {
        let answer = molt_platform::respond::problem(&problem.request(&request_id))?;
        if let Some(allow) = response
            .headers()
            .get(http::header::ALLOW)
            .and_then(|value| value.to_str().ok())
        {
            answer.headers().set("allow", allow)?;
        }
        return Ok(answer);
    }
    if let Some(passed) = response.extensions_mut().remove::<respond::Passed>() {
        return Ok(passed.into_inner());
    }
    Ok(worker::Response::try_from(response)?.into())
}
