//! Signing out ends the session itself, not only this browser's cookie: a copy of the token opens nothing afterwards, and sockets close.

use crate::admission;
use crate::dispatch::{Call, problem};
use crate::trust;
use molt_common::access;
use molt_common::cookie::{self, SESSION};
use molt_common::problem::Problem;
use molt_common::trust::EndSession;
use molt_platform::forward::header;
use molt_platform::{log, page, respond};
use serde_json::json;
use web_sys::Response;
use worker::Result;

/// A browser holds one or two; more are somebody's game.
const MOST_TOKENS: usize = 4;

/// A token whose session could not be ended: the admin worker did not record it.
pub struct NotEnded {
    token: String,
}

/// Ends the sessions of the tokens that the request carries, and of `current`. One that is not accepted any more has none.
pub async fn of_request(call: &Call<'_>, current: Option<&str>) -> std::result::Result<(), NotEnded> {
    for token in tokens(call, current) {
        let recorded = match admission::person(call, &token).await {
            Ok(user) => {
                let ended = EndSession::of(user.id, user.session.as_deref(), &token, user.until, &call.id);
                trust::end_session(call.env, &ended)
                    .await
                    .map_err(|error| error.to_string())
            }
            Err(refused) if refused.status == 401 => Ok(()),
            Err(refused) => Err(refused.code),
        };
        if let Err(error) = recorded {
            log::error("session_not_ended", json!({"requestId": call.id, "error": error}));
            return Err(NotEnded { token });
        }
    }
    Ok(())
}

fn tokens(call: &Call<'_>, current: Option<&str>) -> Vec<String> {
    let authorization = header(call.request, "authorization");
    let cookies = header(call.request, "cookie").unwrap_or_default();
    let carried = authorization.as_deref().and_then(access::bearer);
    let kept = [SESSION.name(true), SESSION.name(false), cookie::ENDING];
    let kept = kept.iter().flat_map(|name| cookie::values(&cookies, name));
    let mut tokens: Vec<String> = Vec::new();
    for token in current
        .into_iter()
        .chain(carried)
        .chain(kept)
        .filter(|token| !token.is_empty())
    {
        if tokens.len() < MOST_TOKENS && !tokens.iter().any(|known| known == token) {
            tokens.push(token.to_owned());
        }
    }
    tokens
}

/// The truth for somebody whose session could not be ended, with a way to try again. The token waits in a cookie that only `/logout` gets.
pub fn failed(call: &Call<'_>, failed: &NotEnded) -> Result<Response> {
    call.set_cookies([cookie::set_ending(&failed.token, call.secure())]);
    if !header(call.request, "accept").is_some_and(|accept| accept.contains("text/html")) {
        let text = "The cookies are removed, but the session could not be ended. Send the request again.";
        return problem(call, Problem::new(503, "session_not_ended", text).retry_after(2));
    }
    let body = format!(
        "<p>You are signed out in this browser. But the session itself could not be ended just now: pages that are open elsewhere, \
         and copies of its token, stay good until it expires.</p>\
         <form method=\"post\" action=\"/logout\"><button>Try again</button></form><p class=\"small\">Request {}</p>",
        respond::escape(&call.id)
    );
    let html = page::layout("Not signed out everywhere", "", &body);
    page::answer(503, &html, &[("retry-after", "2")])
}
