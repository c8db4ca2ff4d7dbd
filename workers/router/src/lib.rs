//! The public worker: finds the row of the route table, verifies who calls, and passes the call on untouched.

mod admission;
mod body;
mod dispatch;
mod finish;
mod legacy;
mod limits;
mod pages;
mod placement;
mod provider;
mod repository;
mod rollout;
mod session;
mod tokens;
mod trust;

use web_sys::{Request, Response};
use worker::{Context, Env, Result};
use worker_macros::event;

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Every request of the platform arrives here.
#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    dispatch::answer(&request, &env, &context).await
}
