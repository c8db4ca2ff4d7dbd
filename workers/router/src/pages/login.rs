//! `/login`: the way to the identity provider, or in development a page with the seeded users.

use super::refused;
use crate::dispatch::Call;
use molt_common::access;
use molt_common::cookie::LOGIN_STATE;
use molt_common::login::{LIFETIME_S, LoginState};
use molt_common::problem::Problem;
use molt_platform::{entropy, log, page, respond, settings};
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
    let asked = parameter(call, "next");
    let begun = LoginState::new(entropy::bytes()?, entropy::bytes()?, asked.as_deref());
    let bind = LOGIN_STATE.set(&begun.cookie(), LIFETIME_S, call.secure());
    let users = development_users(call);
    if !users.is_empty() {
        let html = page::layout("Sign in", "", &form(&users, begun.state()));
        return page::answer(200, &html, &[("set-cookie", &bind)]);
    }
    let Some(target) = settings::text(call.env, "LOGIN_URL").and_then(|text| Url::parse(&text).ok()) else {
        return refused(
            call,
            Problem::new(
                503,
                "authentication_not_configured",
                "Sign-in is not configured on this deployment.",
            ),
        );
    };
    respond::with(
        302,
        &[
            ("location", to_provider(call, target, &begun).as_str()),
            ("set-cookie", &bind),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
        ],
        None,
    )
}

/// The provider's page, told where to come back to and what to bring. The state is in the address to come back to as well: not every
/// provider returns it by itself.
fn to_provider(call: &Call<'_>, mut target: Url, begun: &LoginState) -> Url {
    let mut back = call.url.clone();
    back.set_path("/auth/callback");
    back.set_fragment(None);
    back.query_pairs_mut().clear().append_pair("state", begun.state());
    target
        .query_pairs_mut()
        .append_pair("redirect", back.as_str())
        .append_pair("state", begun.state())
        .append_pair("nonce", begun.nonce());
    target
}

fn form(users: &[DevelopmentUser], state: &str) -> String {
    let mut html = String::from(
        "<p>This is the development identity provider. It exists on loopback hosts only.</p>\
         <form method=\"post\" action=\"/login/development\">",
    );
    // Writing to a String cannot fail.
    let _ = write!(
        html,
        "<input type=\"hidden\" name=\"state\" value=\"{}\">",
        respond::escape(state)
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
