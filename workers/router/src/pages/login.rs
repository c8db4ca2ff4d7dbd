//! `/login`: the way to the identity provider, or in development a page with the seeded users.

use super::layout;
use crate::dispatch::{Call, problem};
use molt_common::problem::Problem;
use molt_common::{access, cookie, id};
use molt_platform::{entropy, log, respond, settings};
use serde::Deserialize;
use serde_json::json;
use std::fmt::Write;
use url::Url;
use web_sys::Response;
use worker::Result;

/// A person whom the development identity provider knows.
#[derive(Deserialize)]
pub struct DevelopmentUser {
    pub id: String,
    pub email: String,
    pub name: String,
}

/// The development users; none unless they are configured *and* the host is loopback.
pub fn development_users(call: &Call<'_>) -> Vec<DevelopmentUser> {
    let loopback = match call.url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if !loopback {
        return vec![];
    }
    let Some(text) = settings::text(call.env, "DEV_IDENTITY_USERS") else {
        return vec![];
    };
    serde_json::from_str(&text).unwrap_or_else(|error| {
        log::error("development_users_unreadable", json!({"error": error.to_string()}));
        vec![]
    })
}

/// The first parameter `name` of the query.
pub fn parameter(call: &Call<'_>, name: &str) -> Option<String> {
    call.url
        .query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Sends a browser to `/login` and remembers where it wanted to go.
pub fn to_login(call: &Call<'_>) -> Result<Response> {
    let wanted = &call.url[url::Position::BeforePath..url::Position::AfterQuery];
    let next: String = url::form_urlencoded::byte_serialize(access::return_path(Some(wanted)).as_bytes()).collect();
    respond::with(
        302,
        &[
            ("location", &format!("/login?next={next}")),
            ("cache-control", "no-store"),
        ],
        None,
    )
}

/// `GET /login`.
pub fn page(call: &Call<'_>) -> Result<Response> {
    let state = id::hex(&entropy::bytes::<16>()?);
    let bind = cookie::set_login_state(&state, call.secure());
    let asked = parameter(call, "next");
    let next = access::return_path(asked.as_deref());
    let users = development_users(call);
    if !users.is_empty() {
        return respond::page(
            200,
            &layout("Sign in", &form(&users, &state, next)),
            &[("set-cookie", &bind)],
        );
    }
    let Some(target) = settings::text(call.env, "LOGIN_URL").and_then(|text| Url::parse(&text).ok()) else {
        return problem(
            call,
            Problem::new(
                503,
                "authentication_not_configured",
                "Sign-in is not configured on this deployment.",
            ),
        );
    };
    let mut back = call.url.clone();
    back.set_path("/auth/callback");
    back.set_query(None);
    back.query_pairs_mut()
        .append_pair("state", &state)
        .append_pair("next", next);
    let mut target = target;
    target.query_pairs_mut().append_pair("redirect", back.as_str());
    respond::with(
        302,
        &[
            ("location", target.as_str()),
            ("set-cookie", &bind),
            ("cache-control", "no-store"),
        ],
        None,
    )
}

fn form(users: &[DevelopmentUser], state: &str, next: &str) -> String {
    let mut html = String::from(
        "<p>This is the development identity provider. It exists on loopback hosts only.</p>\
         <form method=\"post\" action=\"/login/development\">",
    );
    // Writing to a String cannot fail.
    let _ = write!(
        html,
        "<input type=\"hidden\" name=\"state\" value=\"{}\"><input type=\"hidden\" name=\"next\" value=\"{}\">",
        respond::escape(state),
        respond::escape(next)
    );
    for user in users {
        let _ = write!(
            html,
            "<button name=\"user\" value=\"{}\">Continue as {} <span>{}</span></button>",
            respond::escape(&user.id),
            respond::escape(&user.name),
            respond::escape(&user.email)
        );
    }
    html.push_str("</form>");
    html
}
