//! What every answer is on its way out: signed with its request id, without what only the edge may say, readable for listed origins only.

use crate::dispatch::{Call, problem};
use crate::limits::Counted;
use molt_common::answer_header;
use molt_common::cors::{self, Standing};
use molt_common::flag;
use molt_common::problem::Problem;
use molt_common::route::Auth;
use molt_platform::forward::header;
use molt_platform::{respond, settings};
use web_sys::{Headers, Response};
use worker::Result;

/// A year, in seconds.
const HSTS: &str = "max-age=31536000";

fn listed(call: &Call<'_>) -> Vec<String> {
    settings::list(call.env, "CORS_ORIGINS")
}

/// Finishes an answer. `auth` is that of its route: only answers of routes that ask for a credential are ever shared with other origins.
pub fn answer(call: &Call<'_>, backend: &str, auth: Auth, response: &Response) -> Result<Response> {
    let copy = respond::copied(response)?;
    let headers = copy.headers();
    // What ran before answers for itself.
    if matches!(backend, "container-gateway" | "admin") {
        respond::strip(&headers, answer_header::is_stripped)?;
        respond::strip_cookies(&headers, answer_header::is_cookie_stripped)?;
    }
    if backend == "admin" {
        for (name, value) in respond::DATA {
            if !headers.has(name)? {
                headers.set(name, value)?;
            }
        }
    }
    headers.set("x-request-id", &call.id)?;
    headers.set("x-molt-backend", backend)?;
    if let Some(flags) = call.flags.get() {
        headers.set(flag::VERSION_HEADER, &flags.rank.version.to_string())?;
        headers.set(flag::SOURCE_HEADER, flags.source.word())?;
    }
    for (name, value) in call.counted.get().iter().flat_map(Counted::headers) {
        headers.set(name, &value)?;
    }
    if call.secure() {
        let subdomains = settings::text(call.env, "HSTS_SUBDOMAINS").as_deref() == Some("on");
        let value = if subdomains { "; includeSubDomains" } else { "" };
        headers.set("strict-transport-security", &format!("{HSTS}{value}"))?;
    }
    if auth != Auth::None {
        share(call, auth, &headers)?;
    }
    let cookies = call.cookies.take();
    if !cookies.is_empty() {
        keep_private(&headers)?;
    }
    for cookie in cookies {
        headers.append("set-cookie", &cookie)?;
    }
    Ok(copy)
}

fn share(call: &Call<'_>, auth: Auth, headers: &Headers) -> Result<()> {
    let listed = listed(call);
    if listed.is_empty() {
        return Ok(());
    }
    // The answer differs by origin, also for those that get nothing.
    headers.append("vary", "Origin")?;
    let origin = header(call.request, "origin");
    if let Standing::Listed(origin) = cors::standing(origin.as_deref(), &call.origin(), &listed) {
        for (name, value) in cors::answer_headers(origin, auth == Auth::User) {
            headers.set(name, value)?;
        }
        headers.set("cross-origin-resource-policy", "cross-origin")?;
    }
    Ok(())
}

/// An answer that carries a session must be kept by no cache that others share.
fn keep_private(headers: &Headers) -> Result<()> {
    let cache = headers.get("cache-control")?.unwrap_or_default();
    if !["private", "no-store"].iter().any(|word| cache.contains(word)) {
        headers.append("cache-control", "private")?;
    }
    Ok(())
}

/// Answers the question that a browser asks before a call from another origin. The route itself is not asked.
pub fn preflight(call: &Call<'_>, auth: Auth) -> Result<Response> {
    let origin = header(call.request, "origin");
    match cors::standing(origin.as_deref(), &call.origin(), &listed(call)) {
        Standing::Listed(origin) => respond::with(204, &cors::preflight_headers(origin, auth == Auth::User), None),
        // Without these headers the browser refuses; this says why to whoever looks.
        _ => problem(
            call,
            Problem::new(
                403,
                "foreign_origin",
                "Pages of this origin may not call here; the operator lists those that may in CORS_ORIGINS.",
            ),
        ),
    }
}
