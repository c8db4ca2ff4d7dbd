//! The admin API: `/api/super/*` for operators and scripts, and the store of exec results.

mod exec_result_store_do;
mod exec_store;
mod extract;
mod respond;
mod routes;
mod users;

use molt_common::identity::{self, Identity, IdentityKeys, Kind};
use molt_common::problem::Problem;
use molt_platform::forward::header;
use molt_platform::{entropy, log, settings};
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
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let url = worker::Url::parse(&request.url())?;
    let path = url.path();
    if path == "/health" {
        let body = json!({"status": "healthy", "service": "admin-api", "timestamp": entropy::now().iso()});
        return molt_platform::respond::json(200, &body);
    }
    let identity = match verified(&request, &env, path) {
        Ok(identity) => identity,
        Err(problem) => return molt_platform::respond::problem(&problem),
    };
    // The runtime passes on values that HTTP does not allow; the `http` crate does not.
    let Ok(mut incoming) = HttpRequest::try_from(worker::Request::from(request)) else {
        let problem = Problem::invalid("headers", "hold a value that HTTP does not allow").request(&identity.rid);
        return molt_platform::respond::problem(&problem);
    };
    let request_id = identity.rid.clone();
    incoming.extensions_mut().insert(identity);
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
    Ok(worker::Response::try_from(response)?.into())
}

fn verified(request: &Request, env: &Env, path: &str) -> std::result::Result<Identity, Problem> {
    let keys = settings::text(env, "MOLT_IDENTITY_KEYS").unwrap_or_default();
    let token = header(request, identity::HEADER);
    IdentityKeys::parse(&keys)
        .and_then(|keys| keys.verify(token.as_deref(), Kind::Admin, &request.method(), path, entropy::now()))
        .map_err(|error| {
            log::error("identity_refused", json!({"path": path, "why": error.to_string()}));
            Problem::new(401, "identity_required", "Calls come through the router.")
        })
}
