//! What the router answers itself.

mod asset;
mod end_session;
mod login;
mod logout;
mod session;

use crate::dispatch::{Call, problem};
use crate::{legacy, rollout, trust};
use molt_common::control::SessionEnd;
use molt_common::flag::Flag;
use molt_common::problem::Problem;
use molt_common::route::Page;
use molt_platform::forward::header;
use molt_platform::page::{self, Notice};
use molt_platform::{entropy, respond, settings};
use serde_json::json;
use web_sys::Response;
use worker::Result;

pub use login::to_login;

/// Answers one of our own pages.
pub async fn answer(page: Page, call: &Call<'_>) -> Result<Response> {
    match page {
        Page::Health => respond::json(
            200,
            &json!({"status": "healthy", "service": "edge-router", "timestamp": entropy::now().iso()}),
        ),
        Page::Status => status(call).await,
        Page::Login => login::page(call),
        Page::DevelopmentLogin => session::development(call).await,
        Page::AuthCallback => session::callback(call).await,
        Page::Logout => logout::answer(call).await,
        Page::Asset | Page::Reserved => asset::answer(call),
    }
}

async fn status(call: &Call<'_>) -> Result<Response> {
    trust::refresh(call).await;
    let stands = |flag: Flag| {
        let standing = rollout::standing(call, flag, None);
        let on = match (standing.for_all, standing.on) {
            (false, _) => "some",
            (true, true) => "all",
            (true, false) => "none",
        };
        (
            standing.for_all && standing.on,
            json!({"on": on, "source": standing.source}),
        )
    };
    let (admin, gateway) = (stands(Flag::NewAdminApi), stands(Flag::NewContainerGateway));
    respond::json(
        200,
        &json!({
            "status": "ok", "service": "moltworker", "router": "edge-router",
            // By this a deployment knows that its version answers.
            "release": settings::text(call.env, "MOLT_RELEASE"),
            "featureFlags": {"useNewAdminApi": admin.0, "useNewContainerGateway": gateway.0},
            "flags": {
                "version": rollout::rank().version,
                Flag::NewAdminApi.name(): admin.1, Flag::NewContainerGateway.name(): gateway.1,
            },
            "legacy": legacy::is_bound(call),
            "timestamp": entropy::now().iso(),
        }),
    )
}

/// A refusal: a page for a person in a browser, a problem for the rest.
pub fn refused(call: &Call<'_>, refused: Problem) -> Result<Response> {
    if !asks_for_html(call) {
        return problem(call, refused);
    }
    let retry = refused.retry_after.map(|seconds| seconds.to_string());
    let extra: Vec<(&str, &str)> = retry.iter().map(|seconds| ("retry-after", seconds.as_str())).collect();
    notice(call, refused.status, &refused.title, &refused.detail, &extra)
}

/// What somebody sees whom an operator suspended.
pub fn suspended(call: &Call<'_>) -> Result<Response> {
    let refused = Problem::from(SessionEnd::Suspended);
    let links = [("/logout", "Sign out")];
    show(call, refused.status, "No access", &refused.detail, &links, &[])
}

/// The same for a sign-in: it is to be begun again.
pub fn sign_in_refused(call: &Call<'_>, refused: Problem) -> Result<Response> {
    if !asks_for_html(call) {
        return problem(call, refused);
    }
    show(
        call,
        refused.status,
        "Sign-in refused",
        &refused.detail,
        &[("/login", "Sign in")],
        &[],
    )
}

fn asks_for_html(call: &Call<'_>) -> bool {
    header(call.request, "accept").is_some_and(|accept| accept.contains("text/html"))
}

/// A page that says one thing.
pub fn notice(call: &Call<'_>, status: u16, title: &str, text: &str, extra: &[(&str, &str)]) -> Result<Response> {
    show(call, status, title, text, &[("/", "Try again")], extra)
}

fn show(
    call: &Call<'_>,
    status: u16,
    title: &str,
    text: &str,
    links: &[(&str, &str)],
    extra: &[(&str, &str)],
) -> Result<Response> {
    let notice = Notice {
        title,
        text,
        small: &[format!("Request {}", call.id)],
        links,
    };
    page::answer(status, &notice.html(), extra)
}
