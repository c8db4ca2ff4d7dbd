//! `/logout`: a page that asks, and a POST that does it. No GET changes anything.

use super::layout;
use crate::admission;
use crate::dispatch::{Call, problem};
use molt_common::cookie;
use molt_platform::respond;
use web_sys::Response;
use worker::Result;

/// `GET|POST /logout`.
pub fn answer(call: &Call<'_>) -> Result<Response> {
    if call.method != "POST" {
        let body = "<p>You will need to sign in again. Your sandbox keeps running.</p>\
                    <form method=\"post\" action=\"/logout\"><button>Sign out</button></form><p><a href=\"/\">Back</a></p>";
        return respond::page(200, &layout("Sign out", body), &[]);
    }
    if let Err(refused) = admission::same_origin(call) {
        return problem(call, refused);
    }
    let response = respond::with(303, &[("location", "/login"), ("cache-control", "no-store")], None)?;
    // Both names: the browser may hold one from another scheme or an older release.
    response
        .headers()
        .append("set-cookie", &cookie::set_session("", 0, true))?;
    response
        .headers()
        .append("set-cookie", &cookie::set_session("", 0, false))?;
    Ok(response)
}
