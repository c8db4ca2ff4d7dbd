//! `/logout`: a page that asks, a POST that does it, and a page that says it is done. No GET changes anything.

use super::{end_session, refused as refused_page};
use crate::dispatch::Call;
use crate::session::renewal::{self, Renewed};
use crate::{admission, provider, session, tokens};
use molt_common::cookie::{self, REFRESH};
use molt_common::user_token::Source;
use molt_platform::forward::header;
use molt_platform::page::{self, Notice};
use molt_platform::respond;
use web_sys::Response;
use worker::Result;

/// What the agent's page kept in this browser (its device key is among it, and a service worker) is not for the next person.
const CLEARED: &str = "\"cache\", \"storage\"";

/// `GET|POST /logout`.
pub async fn answer(call: &Call<'_>) -> Result<Response> {
    let cookies = header(call.request, "cookie").unwrap_or_default();
    if call.method != "POST" {
        return question(call, &cookies);
    }
    if let Err(refused) = admission::same_origin(call) {
        return refused_page(call, refused);
    }
    let current = at_provider(call, &cookies).await;
    let ended = end_session::of_request(call, current.as_deref()).await;
    call.set_cookies(session::forgotten());
    if let Err(not_ended) = ended {
        return end_session::failed(call, &not_ended);
    }
    call.set_cookies([cookie::set_ending("", call.secure())]);
    // Not to /login, which would lead on to the provider: it may know the person still and would sign him in again at once.
    let headers = [
        ("location", "/logout"),
        ("cache-control", "no-store"),
        ("clear-site-data", CLEARED),
    ];
    respond::with(303, &headers, None)
}

fn question(call: &Call<'_>, cookies: &str) -> Result<Response> {
    let signed_in = cookie::session(cookies).is_some() || cookie::value(cookies, REFRESH.name(call.secure())).is_some();
    if signed_in {
        let body = "<p>You will need to sign in again. Your sandbox keeps running.</p>\
                    <form method=\"post\" action=\"/logout\"><button>Sign out</button></form><p><a href=\"/\">Back</a></p>";
        return page::answer(200, &page::layout("Sign out", "", body), &[]);
    }
    let done = Notice {
        title: "Signed out",
        text: "You are signed out in this browser.",
        small: &[],
        links: &[("/login", "Sign in")],
    };
    page::answer(200, &done.html(), &[])
}

/// Ends the session at the provider; the browser forgets it whatever comes of this. The token that named it, which may be newer than the
/// one that the browser sent.
async fn at_provider(call: &Call<'_>, cookies: &str) -> Option<String> {
    let kept = session::kept(call, cookies);
    let token = session::token(call, cookies, kept.is_some());
    let current = match token {
        Some(token) if tokens::verify(call, token, Source::Cookie).await.is_ok() => Some(token),
        _ => None,
    };
    let token = match (current, kept) {
        (Some(token), _) => token.to_owned(),
        // The provider takes no token that has ended, and its refresh token would go on being good.
        (None, Some(kept)) => match renewal::renew(call, &kept, true).await {
            Renewed::Granted { token, .. } => token,
            Renewed::Refused | Renewed::Unavailable => return None,
        },
        (None, None) => return None,
    };
    provider::sign_out(call, &token).await;
    Some(token)
}
