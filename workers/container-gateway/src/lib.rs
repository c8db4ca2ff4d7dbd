//! The container gateway: finds the one `Sandbox` object of a user and passes HTTP and WebSocket through it, untouched.

mod account;
mod boot_page;
mod gateway;
mod internal;
mod progress;
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

/// Requests come from the router's service binding only; each carries a signed identity.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    gateway::answer(&request, &env).await
}
