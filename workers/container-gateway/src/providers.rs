//! Providers at the edge: a sandbox asks by a name that its network leads here, shows a token where a key would stand, and gets the provider's answer.
//!
//! The key is added here and nowhere else. What passes is neither kept nor logged; its bytes and tokens are counted on the way.

mod admission;
mod count;
mod exchange;
mod refusal;

use crate::providers::exchange::Answered;
use futures_channel::oneshot::{self, Sender};
use molt_common::id;
use molt_common::problem::Problem;
use molt_common::provider::PROVIDER_HOST;
use molt_common::sandbox_props::SandboxProps;
use molt_platform::disconnect::Disconnect;
use molt_platform::unwound::unwound;
use molt_platform::{entropy, log};
use serde_json::json;
use std::rc::Rc;
use url::Url;
use web_sys::{Request, Response};
use worker::{Context, Env, Result};

/// Whether a call is one for providers, or pretends to be.
pub fn covers(url: &Url) -> bool {
    url.host_str() == Some(PROVIDER_HOST) || molt_common::provider::path::covers(url.path())
}

/// Answers a call to a provider.
pub async fn answer(request: &Request, env: &Env, context: Context, url: &Url) -> Result<Response> {
    let request_id = id::request_id(entropy::bytes()?);
    // Only the runtime sets these, for a call out of a container: from anywhere else there is nothing here.
    let caller = context.props::<SandboxProps>().ok();
    let Some(caller) = caller.filter(|_| url.host_str() == Some(PROVIDER_HOST)) else {
        return refusal::answer(&Problem::not_found("Nothing is here.").request(&request_id));
    };
    let sandbox = caller.sandbox.clone();
    let context = Rc::new(context);
    let (asker, answered) = oneshot::channel();
    let attempt = Attempt {
        gone: Disconnect::of(request)?,
        request: Clone::clone(request),
        env: env.clone(),
        context: Rc::clone(&context),
        url: url.clone(),
        caller,
        request_id: request_id.clone(),
    };
    // From the first step on: a call that was admitted for somebody who went away meanwhile has to be told as ended too.
    context.wait_until(async move {
        // A panic drops `asker`, and is seen to below.
        let _ = unwound(attempt.make(asker)).await;
    });
    let why = match answered.await {
        Ok(Ok(response)) => return Ok(response),
        Ok(Err(refusal::Refusal::Problem(problem))) => return refusal::answer(&problem.request(&request_id)),
        Ok(Err(refusal::Refusal::Failed(why))) => why,
        Err(_) => "the call ended without an answer".into(),
    };
    log::error(
        "provider_call_failed",
        json!({"requestId": request_id, "sandbox": sandbox, "path": url.path(), "error": why}),
    );
    refusal::answer(&Problem::internal().request(&request_id))
}

/// A call on its way from the question whether it may be made.
struct Attempt {
    gone: Disconnect,
    request: Request,
    env: Env,
    context: Rc<Context>,
    url: Url,
    caller: SandboxProps,
    request_id: String,
}

impl Attempt {
    async fn make(self, asker: Sender<Answered>) {
        let (request, context) = (&self.request, &self.context);
        match admission::admit(request, &self.env, &self.url, &self.caller, &self.request_id).await {
            Ok(admitted) => exchange::carry_out(&admitted, request, self.gone, context, asker).await,
            // Whoever asked may be gone.
            Err(refusal) => drop(asker.send(Err(refusal))),
        }
    }
}
