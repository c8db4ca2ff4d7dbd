//! Answers of our own: problems, JSON and pages. The one place that decides what a client may see of an error.

use molt_common::problem::{self, Problem};
use web_sys::{Headers, Response, ResponseInit};
use worker::Result;

/// Policy for our own pages: nothing inline, nothing foreign, never in a frame.
pub const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// An answer with these headers; header names are lower case.
///
/// # Errors
/// When the runtime refuses a header value.
pub fn with(status: u16, headers: &[(&str, &str)], body: Option<&str>) -> Result<Response> {
    let list = Headers::new()?;
    for (name, value) in headers {
        list.append(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(&list);
    Ok(Response::new_with_opt_str_and_init(body, &init)?)
}

/// A problem, with `Retry-After` when it says so.
///
/// # Errors
/// See [`with`].
pub fn problem(problem: &Problem) -> Result<Response> {
    let retry = problem.retry_after.map(|seconds| seconds.to_string());
    let mut headers = vec![("content-type", problem::CONTENT_TYPE), ("cache-control", "no-store")];
    if let Some(retry) = &retry {
        headers.push(("retry-after", retry));
    }
    with(problem.status, &headers, Some(&problem.json()))
}

/// JSON.
///
/// # Errors
/// See [`with`]; also when the value cannot be serialised.
pub fn json<T: serde::Serialize>(status: u16, value: &T) -> Result<Response> {
    let body = serde_json::to_string(value)?;
    with(
        status,
        &[("content-type", "application/json"), ("cache-control", "no-store")],
        Some(&body),
    )
}

/// A page of ours.
///
/// # Errors
/// See [`with`].
pub fn page(status: u16, html: &str, extra: &[(&str, &str)]) -> Result<Response> {
    let mut headers = vec![
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("content-security-policy", PAGE_POLICY),
        ("x-content-type-options", "nosniff"),
        // Under no-referrer browsers send `Origin: null` with a form, also to its own origin.
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ];
    headers.extend_from_slice(extra);
    with(status, &headers, Some(html))
}

/// A text made safe for HTML content and quoted attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// The same answer with these headers set; body, status and socket pass untouched.
///
/// # Errors
/// When the runtime refuses a header value.
pub fn adorned(response: &Response, headers: &[(&str, &str)]) -> Result<Response> {
    use wasm_bindgen::JsCast;
    // `new Response(old.body, old)`: the old response read as an init carries status, headers, `webSocket` and `cf`.
    let init: &ResponseInit = response.unchecked_ref();
    let copy = Response::new_with_opt_readable_stream_and_init(response.body().as_ref(), init)?;
    let list = copy.headers();
    for (name, value) in headers {
        list.set(name, value)?;
    }
    Ok(copy)
}
