//! What turns a sign-in into a session: the provider's token, posted by our own callback page, or a development user.

use super::login::{development_users, parameter};
use super::sign_in_refused as refused_page;
use crate::dispatch::Call;
use crate::{admission, session};
use molt_common::cookie::{self, LOGIN_STATE, SESSION};
use molt_common::id::{self, UserId};
use molt_common::login::{LoginError, LoginState};
use molt_common::problem::Problem;
use molt_common::user_token::{self, User};
use molt_platform::forward::{self, header};
use molt_platform::{entropy, log, page, respond, settings};
use serde_json::json;
use std::collections::BTreeMap;
use web_sys::Response;
use worker::Result;

const LONGEST_FORM: usize = 16 * 1024;
const SESSION_S: u64 = 24 * 3600;

/// The fields of a posted form; the first of each name counts.
async fn form(call: &Call<'_>) -> Result<std::result::Result<BTreeMap<String, String>, Problem>> {
    let length = header(call.request, "content-length").and_then(|text| text.parse::<usize>().ok());
    if length.is_none_or(|length| length > LONGEST_FORM) {
        return Ok(Err(Problem::new(
            413,
            "too_large",
            format!("A form has a Content-Length of at most {LONGEST_FORM} bytes."),
        )));
    }
    let text = forward::text(call.request).await?;
    let mut fields = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        fields.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    Ok(Ok(fields))
}

/// The login must end in the browser in which it began, from a page of ours.
fn begun(call: &Call<'_>, state: Option<&str>) -> std::result::Result<LoginState, Problem> {
    admission::same_origin(call)?;
    let cookies = header(call.request, "cookie").unwrap_or_default();
    let begun = LoginState::read(cookie::values(&cookies, LOGIN_STATE.name(call.secure())))
        .map_err(|error| not_begun(call, error))?;
    begun.came_back_with(state).map_err(|error| not_begun(call, error))?;
    Ok(begun)
}

fn not_begun(call: &Call<'_>, error: LoginError) -> Problem {
    log::info("login_refused", json!({"requestId": call.id, "why": error.to_string()}));
    Problem::new(
        403,
        "login_not_begun_here",
        "This sign-in was not begun in this browser, or it took over ten minutes. Start again at /login.",
    )
}

/// Sets the session's cookies, whatever there were before, ends the login state and goes on.
fn open(call: &Call<'_>, begun: &LoginState, token: &str, user: &User, refresh: Option<&str>) -> Result<Response> {
    if !SESSION.fits(token) {
        return refused_page(
            call,
            Problem::new(
                422,
                "token_too_long",
                "The identity provider's token does not fit into a cookie. Ask your operator.",
            ),
        );
    }
    call.set_cookies(session::cookies(call, token, user, refresh));
    call.set_cookies([LOGIN_STATE.set("", 0, call.secure())]);
    respond::with(303, &[("location", begun.next()), ("cache-control", "no-store")], None)
}

/// `POST /login/development`: a real session for a seeded user.
pub async fn development(call: &Call<'_>) -> Result<Response> {
    let users = development_users(call);
    if users.is_empty() {
        return refused_page(
            call,
            Problem::not_found("There is no development identity provider here."),
        );
    }
    let fields = match form(call).await? {
        Ok(fields) => fields,
        Err(refused) => return refused_page(call, refused),
    };
    let field = |name: &str| fields.get(name).map(String::as_str);
    let begun = match begun(call, field("state")) {
        Ok(begun) => begun,
        Err(refused) => return refused_page(call, refused),
    };
    let Some(user) = users.iter().find(|user| Some(user.id.as_str()) == field("user")) else {
        return refused_page(call, Problem::invalid("user", "is not one of the development users"));
    };
    let Ok(subject) = UserId::parse(&user.id) else {
        return refused_page(
            call,
            Problem::invalid("user", "is configured with an id that is not a UUID"),
        );
    };
    let secret = settings::text(call.env, "SUPABASE_JWT_SECRET").unwrap_or_default();
    let issuer = settings::text(call.env, "JWT_ISSUER").unwrap_or_default();
    let id = id::hex(&entropy::bytes::<16>()?);
    let now = entropy::now();
    let Ok(token) = user_token::issue(&secret, &issuer, subject, &user.email, &id, now, SESSION_S) else {
        return refused_page(
            call,
            Problem::new(
                503,
                "authentication_not_configured",
                "SUPABASE_JWT_SECRET is missing or shorter than 32 bytes.",
            ),
        );
    };
    match admission::person(call, &token).await {
        Ok(user) => open(call, &begun, &token, &user, None),
        Err(refused) => refused_page(call, refused),
    }
}

/// `/auth/callback`: the page that posts the provider's token (a fragment never reaches a server), and what takes it.
pub async fn callback(call: &Call<'_>) -> Result<Response> {
    if call.method != "POST" {
        let body = "<p id=\"status\" role=\"status\">Signing you in…</p>\
                    <noscript><p>Signing in needs JavaScript.</p></noscript><p><a href=\"/login\">Start again</a></p>\
                    <script src=\"/_molt/assets/callback.js\"></script>";
        return page::answer(200, &page::layout("Signing in", "", body), &[]);
    }
    let fields = match form(call).await? {
        Ok(fields) => fields,
        Err(refused) => return refused_page(call, refused),
    };
    let field = |name: &str| fields.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let begun = match begun(call, field("state").or(parameter(call, "state").as_deref())) {
        Ok(begun) => begun,
        Err(refused) => return refused_page(call, refused),
    };
    let Some(token) = field("access_token") else {
        return refused_page(call, Problem::invalid("access_token", "is missing"));
    };
    let user = match admission::person(call, token).await {
        Ok(user) => user,
        Err(refused) => return refused_page(call, refused),
    };
    if let Err(error) = begun.allows_nonce(user.nonce.as_deref()) {
        return refused_page(call, not_begun(call, error));
    }
    open(call, &begun, token, &user, field("refresh_token"))
}
