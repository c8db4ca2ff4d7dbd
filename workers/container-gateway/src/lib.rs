//! The container gateway: finds the one `Sandbox` object of a user and passes HTTP and WebSocket through it, untouched.

mod account;
mod boot_page;
mod gateway;
mod internal;
mod outbound;
mod progress;
mod providers;
mod repository;
mod restart;
mod sandbox;
mod sandbox_do;

use web_sys::{Request, Response};
use worker::{Context, Env, Result};
use worker_macros::event;

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Requests come from the router's service binding, each with a signed identity, from sandboxes to their repositories and to providers, each with a
/// token, and from sandboxes to the internet, where their ways out lead here.
#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    gateway::answer(&request, &env, context).await
}
