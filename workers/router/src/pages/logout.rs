//! `/logout`: a page that asks, and a POST that does it. No GET changes anything.

use super::{layout, refused as refused_page};
use crate::admission;
use crate::dispatch::Call;
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
        return refused_page(call, refused);
    }
    // What the agent's page kept in this browser (its device key is among it) is not for the next person.
    let headers = [
        ("location", "/login"),
        ("cache-control", "no-store"),
        ("clear-site-data", "\"storage\""),
    ];
    let response = respond::with(303, &headers, None)?;
    // Both names: the browser may hold one from another scheme or an older release.
    response
        .headers()
        .append("set-cookie", &cookie::set_session("", 0, true))?;
    response
        .headers()
        .append("set-cookie", &cookie::set_session("", 0, false))?;
    Ok(response)
}
