//! What only our own workers ask: the snapshot of trust, the end of a session (`molt_common::trust`), and strict counts (`molt_common::limit`).

use crate::control_plane::calls::{EndOneSession, ReadTrust};
use crate::control_plane::stub;
use crate::rate_limiter;
use molt_common::limit::{TAKE_PATH, Take};
use molt_common::problem::Problem;
use molt_common::trust::{END_SESSION_PATH, EndSession, SNAPSHOT_PATH};
use molt_platform::forward::{header, text};
use molt_platform::{call, log, respond};
use serde::de::DeserializeOwned;
use serde_json::json;
use web_sys::{Request, Response};
use worker::{Env, Result};

/// Below this nothing is for admins.
pub const PREFIX: &str = "/internal/";
const LONGEST_BODY: usize = 4 * 1024;

/// Answers a call whose service identity has been verified.
pub async fn answer(request: &Request, env: &Env, path: &str, request_id: &str) -> Result<Response> {
    let outcome = match (request.method().as_str(), path) {
        ("GET", SNAPSHOT_PATH) => snapshot(request, env).await,
        ("POST", END_SESSION_PATH) => end_session(request, env).await,
        ("POST", TAKE_PATH) => take(request, env).await,
        _ => respond::problem(&Problem::not_found("Nothing is here.").request(request_id)),
    };
    outcome.or_else(|error| {
        log::error(
            "internal_failed",
            json!({"requestId": request_id, "path": path, "error": error.to_string()}),
        );
        respond::problem(&Problem::internal().request(request_id))
    })
}

async fn snapshot(request: &Request, env: &Env) -> Result<Response> {
    let known = header(request, "if-none-match").and_then(|tag| tag.trim().trim_matches('"').parse().ok());
    match call::make(&stub(env)?, &ReadTrust { known }).await? {
        None => respond::with(304, &[], None),
        Some(snapshot) => {
            let tag = format!("\"{}\"", snapshot.version);
            let body = serde_json::to_string(&snapshot)?;
            let headers = [
                ("content-type", "application/json"),
                ("cache-control", "no-store"),
                ("etag", tag.as_str()),
            ];
            respond::with(200, &headers, Some(&body))
        }
    }
}

async fn end_session(request: &Request, env: &Env) -> Result<Response> {
    let ended: EndSession = match body(request).await? {
        Ok(ended) => ended,
        Err(refused) => return respond::problem(&refused),
    };
    let snapshot = call::make(&stub(env)?, &EndOneSession { ended }).await?;
    respond::json(200, &snapshot)
}

async fn take(request: &Request, env: &Env) -> Result<Response> {
    let take: Take = match body(request).await? {
        Ok(take) => take,
        Err(refused) => return respond::problem(&refused),
    };
    respond::json(200, &call::make(&rate_limiter::stub(env, &take.key)?, &take).await?)
}

async fn body<T: DeserializeOwned>(request: &Request) -> Result<std::result::Result<T, Problem>> {
    let text = text(request).await?;
    if text.len() > LONGEST_BODY {
        return Ok(Err(Problem::new(413, "too_large", "The body is too long.")));
    }
    Ok(serde_json::from_str(&text).map_err(|error| Problem::invalid("body", error)))
}
