//! Answers of our own: problems and JSON. The one place that decides what a client may see of an error.

use molt_common::problem::{self, Problem};
use web_sys::{Headers, ReadableStream, Response, ResponseInit};
use worker::Result;

/// Header of what nobody may keep, a service worker neither: `Cache.put` heeds no `Cache-Control`, and throws at this (Service Workers, 5.4).
pub const KEPT_BY_NOBODY: (&str, &str) = ("vary", "*");
/// Headers of every answer that is data: a browser shows it as nothing else, in no frame, and gives it to no other site's page.
pub const DATA: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
];

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

/// An answer with a stream as its body; header names are lower case.
///
/// # Errors
/// When the runtime refuses a header value.
pub fn streaming(status: u16, headers: &[(&str, &str)], body: &ReadableStream) -> Result<Response> {
    let list = Headers::new()?;
    for (name, value) in headers {
        list.append(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(&list);
    Ok(Response::new_with_opt_readable_stream_and_init(Some(body), &init)?)
}

/// A problem, with `Retry-After` when it says so.
///
/// # Errors
/// See [`with`].
pub fn problem(problem: &Problem) -> Result<Response> {
    let retry = problem.retry_after.map(|seconds| seconds.to_string());
    let mut headers = vec![("content-type", problem::CONTENT_TYPE)];
    headers.extend(DATA);
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
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(DATA);
    with(status, &headers, Some(&body))
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

/// The same answer with headers that may be changed; body, status and socket pass untouched.
///
/// # Errors
/// When the runtime refuses.
pub fn copied(response: &Response) -> Result<Response> {
    use wasm_bindgen::JsCast;
    // `new Response(old.body, old)`: the old response read as an init carries status, headers, `webSocket` and `cf`.
    let init: &ResponseInit = response.unchecked_ref();
    Ok(Response::new_with_opt_readable_stream_and_init(
        response.body().as_ref(),
        init,
    )?)
}

/// The same answer with these headers set; body, status and socket pass untouched.
///
/// # Errors
/// When the runtime refuses a header value.
pub fn adorned(response: &Response, headers: &[(&str, &str)]) -> Result<Response> {
    let copy = copied(response)?;
    let list = copy.headers();
    for (name, value) in headers {
        list.set(name, value)?;
    }
    Ok(copy)
}

/// Removes every header whose name satisfies `unwanted`.
///
/// # Errors
/// When the headers may not be changed.
pub fn strip(headers: &Headers, unwanted: impl Fn(&str) -> bool) -> Result<()> {
    let names: Vec<String> = headers
        .keys()
        .into_iter()
        .filter_map(|name| name.ok()?.as_string())
        .filter(|name| unwanted(name))
        .collect();
    for name in names {
        headers.delete(&name)?;
    }
    Ok(())
}

/// Removes every `Set-Cookie` whose value satisfies `unwanted`; the others stay in their order.
///
/// # Errors
/// When the headers may not be changed.
pub fn strip_cookies(headers: &Headers, unwanted: impl Fn(&str) -> bool) -> Result<()> {
    let cookies = worker::Headers(headers.clone()).get_all("set-cookie")?;
    if cookies.iter().any(|cookie| unwanted(cookie)) {
        headers.delete("set-cookie")?;
        for cookie in cookies.iter().filter(|cookie| !unwanted(cookie)) {
            headers.append("set-cookie", cookie)?;
        }
    }
    Ok(())
}
