//! What turns a sign-in into a session: the provider's token, posted by our own callback page, or a development user.

use super::login::{development_users, parameter};
use super::{layout, refused as refused_page};
use crate::admission;
use crate::dispatch::Call;
use molt_common::id::{self, UserId};
use molt_common::problem::Problem;
use molt_common::{access, cookie, user_token};
use molt_platform::forward::{self, header};
use molt_platform::{entropy, respond, settings};
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
fn bound(call: &Call<'_>, state: Option<&str>) -> std::result::Result<(), Problem> {
    admission::same_origin(call)?;
    let cookies = header(call.request, "cookie").unwrap_or_default();
    let expected = cookie::values(&cookies, cookie::LOGIN_STATE).next();
    match (expected, state) {
        (Some(expected), Some(state)) if !state.is_empty() && expected == state => Ok(()),
        _ => Err(Problem::new(
            403,
            "login_not_begun_here",
            "This sign-in was not begun in this browser, or it took over ten minutes. Start again at /login.",
        )),
    }
}

/// Sets the session cookie, ends the login state and goes on.
fn open(call: &Call<'_>, token: &str, lifetime_s: u64, next: Option<&str>) -> Result<Response> {
    let response = respond::with(
        303,
        &[("location", access::return_path(next)), ("cache-control", "no-store")],
        None,
    )?;
    response
        .headers()
        .append("set-cookie", &cookie::set_session(token, lifetime_s, call.secure()))?;
    response
        .headers()
        .append("set-cookie", &cookie::set_login_state("", call.secure()))?;
    Ok(response)
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
    if let Err(refused) = bound(call, field("state")) {
        return refused_page(call, refused);
    }
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
    let session = id::hex(&entropy::bytes::<16>()?);
    match user_token::issue(
        &secret,
        &issuer,
        subject,
        &user.email,
        &session,
        entropy::now(),
        SESSION_S,
    ) {
        Ok(token) => open(call, &token, SESSION_S, field("next")),
        Err(_) => refused_page(
            call,
            Problem::new(
                503,
                "authentication_not_configured",
                "SUPABASE_JWT_SECRET is missing or shorter than 32 bytes.",
            ),
        ),
    }
}

/// `/auth/callback`: the page that posts the provider's token (a fragment never reaches a server), and what takes it.
pub async fn callback(call: &Call<'_>) -> Result<Response> {
    if call.method != "POST" {
        let body = "<p id=\"status\" role=\"status\">Signing you in…</p>\
                    <noscript><p>Signing in needs JavaScript.</p></noscript><script src=\"/_molt/assets/callback.js\"></script>";
        return respond::page(200, &layout("Signing in", body), &[]);
    }
    let fields = match form(call).await? {
        Ok(fields) => fields,
        Err(refused) => return refused_page(call, refused),
    };
    let state = parameter(call, "state");
    if let Err(refused) = bound(call, state.as_deref()) {
        return refused_page(call, refused);
    }
    let Some(token) = fields.get("access_token").filter(|token| !token.is_empty()) else {
        return refused_page(call, Problem::invalid("access_token", "is missing"));
    };
    match admission::person(call, token) {
        Ok(user) => open(
            call,
            token,
            user.until.since(entropy::now()) / 1000,
            parameter(call, "next").as_deref(),
        ),
        Err(refused) => refused_page(call, refused),
    }
}
