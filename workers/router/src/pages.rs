//! What the router answers itself.

mod asset;
mod login;
mod logout;
mod session;

use crate::dispatch::{Call, problem};
use molt_common::flag::Flag;
use molt_common::problem::Problem;
use molt_common::route::Page;
use molt_platform::forward::header;
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
        Page::Status => status(call),
        Page::Login => login::page(call),
        Page::DevelopmentLogin => session::development(call).await,
        Page::AuthCallback => session::callback(call).await,
        Page::Logout => logout::answer(call),
        Page::Asset | Page::Reserved => asset::answer(call),
    }
}

fn status(call: &Call<'_>) -> Result<Response> {
    let on = |flag: Flag| Flag::is_on(settings::text(call.env, flag.variable()).as_deref());
    respond::json(
        200,
        &json!({
            "status": "ok", "service": "moltworker", "router": "edge-router",
            "featureFlags": {
                "useNewAdminApi": on(Flag::NewAdminApi),
                "useNewContainerGateway": on(Flag::NewContainerGateway),
            },
            "timestamp": entropy::now().iso(),
        }),
    )
}

/// A page in the router's one layout. `body` is HTML; `title` is text.
pub fn layout(title: &str, body: &str) -> String {
    let title = respond::escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · Moltworker</title>\
         <link rel=\"icon\" href=\"/_molt/assets/icon.svg\"><link rel=\"stylesheet\" href=\"/_molt/assets/page.css\"></head><body><main><h1>{title}</h1>{body}</main></body></html>"
    )
}

/// A refused form: a page for a person in a browser, a problem for the rest.
pub fn refused(call: &Call<'_>, refused: Problem) -> Result<Response> {
    if header(call.request, "accept").is_some_and(|accept| accept.contains("text/html")) {
        return notice(refused.status, &refused.title, &refused.detail, &call.id);
    }
    problem(call, refused)
}

/// A page that says one thing.
pub fn notice(status: u16, title: &str, text: &str, request_id: &str) -> Result<Response> {
    let body = format!(
        "<p>{}</p><p class=\"small\">Request {}</p><p><a href=\"/\">Try again</a></p>",
        respond::escape(text),
        respond::escape(request_id)
    );
    respond::page(status, &layout(title, &body), &[])
}
