//! One call to a provider, from its request to the end of its answer.
//!
//! All of it runs in `waitUntil`: whoever asked may go away at any time, and the `Sandbox` object is told the end all the same. It is told at once: the
//! platform cancels what still runs half a minute after.

use super::admission::{Admitted, too_large};
use super::count::{Download, Upload, Upward, unanswered};
use super::refusal::Refusal;
use futures_channel::oneshot::Sender;
use futures_util::future::{Either, select};
use molt_common::problem::Problem;
use molt_common::provider::header::{comes_back, goes_out};
use molt_common::provider_call::FinishProviderCall;
use molt_common::usage::CallUsage;
use molt_platform::disconnect::Disconnect;
use molt_platform::forward::header;
use molt_platform::relay::{Ended, Relay};
use molt_platform::unwound::unwound;
use molt_platform::{call, entropy, log};
use serde_json::json;
use std::pin::pin;
use std::rc::Rc;
use web_sys::{AbortController, Headers, Request, RequestInit, RequestRedirect, Response, ResponseInit};
use worker::{Context, Fetch, Result};

/// Header of an answer that says how near a budget's end is.
const WARNING: &str = "x-molt-budget-warning";
/// Header of an answer with our name for the call; `x-request-id` is the provider's.
const CALL: &str = "x-molt-request-id";
/// Codings that the runtime undoes while a body is read.
const UNDONE: [&str; 2] = ["gzip", "br"];

/// What whoever asked is told.
pub type Answered = std::result::Result<Response, Refusal>;

/// Makes the call, answers `asker` as soon as the provider has, and tells the `Sandbox` object its end, whatever comes of it.
pub async fn carry_out(
    admitted: &Admitted,
    request: &Request,
    gone: Disconnect,
    context: &Context,
    asker: Sender<Answered>,
) {
    let began = entropy::now();
    let upward = Upward::of(header(request, "content-type").as_deref());
    let usage = match Exchange::new(admitted, request) {
        Ok(exchange) => {
            let made = unwound(exchange.make(admitted, &upward, gone, context, asker)).await;
            made.unwrap_or_else(|_| unanswered(&upward, admitted.own_key))
        }
        Err(error) => {
            drop(asker.send(Err(error.into())));
            unanswered(&upward, admitted.own_key)
        }
    };
    log::info(
        "provider_call",
        json!({
            "requestId": admitted.id, "sandbox": admitted.caller.sandbox, "provider": admitted.provider.id, "status": usage.status,
            "complete": usage.complete, "requestBytes": usage.request_bytes, "answerBytes": usage.answer_bytes,
            "durationMs": entropy::now().since(began),
        }),
    );
    finish(admitted, usage).await;
}

/// A call that is about to be made.
struct Exchange {
    outgoing: Request,
    upload: Option<Relay>,
    /// Ends it before there is an answer.
    abort: AbortController,
}

impl Exchange {
    /// The request as the provider gets it.
    ///
    /// # Errors
    /// When the runtime refuses a header.
    fn new(admitted: &Admitted, request: &Request) -> Result<Self> {
        let headers = Headers::new()?;
        for entry in request.headers().entries() {
            let pair = js_pair(&entry?);
            if let Some((name, value)) = pair.filter(|(name, _)| goes_out(name)) {
                headers.append(&name, &value)?;
            }
        }
        // So that the answer can be read as it passes.
        headers.set("accept-encoding", "identity")?;
        let (name, value) = admitted.provider.key_header.with(&admitted.key);
        headers.set(name, &value)?;
        let abort = AbortController::new()?;
        let init = RequestInit::new();
        init.set_method(&request.method());
        init.set_headers(&headers);
        init.set_signal(Some(&abort.signal()));
        // A redirect would carry the key to wherever it points.
        init.set_redirect(RequestRedirect::Manual);
        // A GET may come with a body, if only an empty one; the runtime makes none with it.
        let upload = match request.body().filter(|_| request.method() != "GET") {
            Some(body) => {
                let (relay, readable) = Relay::of(body, admitted.length)?;
                init.set_body(&readable);
                Some(relay)
            }
            None => None,
        };
        Ok(Self {
            outgoing: Request::new_with_str_and_init(admitted.target.as_str(), &init)?,
            upload,
            abort,
        })
    }

    /// Makes it and passes its answer on until that ends, or nobody is there for it. What it took.
    async fn make(
        self,
        admitted: &Admitted,
        upward: &Rc<Upward>,
        mut gone: Disconnect,
        context: &Context,
        asker: Sender<Answered>,
    ) -> CallUsage {
        if let Some(relay) = self.upload {
            let mut upload = Upload(Rc::clone(upward));
            context.wait_until(async move { drop(unwound(relay.pass(&mut upload)).await) });
        }
        let call = Fetch::Request(self.outgoing.into());
        let answer = match select(&mut gone, pin!(call.send())).await {
            Either::Right((Ok(answer), _)) => Response::from(answer),
            Either::Right((Err(error), _)) => {
                drop(asker.send(Err(no_answer(admitted, upward, &error).into())));
                return unanswered(upward, admitted.own_key);
            }
            Either::Left(_) => {
                self.abort.abort();
                // Nobody reads it.
                let text = "Whoever asked went away.";
                drop(asker.send(Err(Problem::new(499, "client_closed_request", text).into())));
                return unanswered(upward, admitted.own_key);
            }
        };
        if upward.is_too_long() {
            // Whatever it made of the part that it got.
            drop(asker.send(Err(too_large().into())));
            return unanswered(upward, admitted.own_key);
        }
        pass_on(admitted, upward, &answer, gone, asker).await
    }
}

/// Why there is none.
fn no_answer(admitted: &Admitted, upward: &Upward, error: &worker::Error) -> Problem {
    if upward.is_too_long() {
        return too_large();
    }
    log::error(
        "provider_unreachable",
        json!({"requestId": admitted.id, "provider": admitted.provider.id, "error": error.to_string()}),
    );
    let text = format!("The provider {} did not answer.", admitted.provider.id);
    Problem::new(502, "provider_unreachable", text)
}

/// Gives whoever asked the answer. What the call took.
async fn pass_on(
    admitted: &Admitted,
    upward: &Upward,
    answer: &Response,
    gone: Disconnect,
    asker: Sender<Answered>,
) -> CallUsage {
    let status = answer.status();
    let content_type = answer.headers().get("content-type").ok().flatten();
    let mut download = Download::of(content_type.as_deref(), &admitted.key);
    if matches!(status, 301 | 302 | 303 | 307 | 308) {
        let text = format!(
            "The provider {} answered with a redirect, which is not followed.",
            admitted.provider.id
        );
        drop(asker.send(Err(Problem::new(502, "provider_redirected", text).into())));
        return download.usage(upward, status, true, admitted.own_key);
    }
    let (relay, response) = match passed_on(admitted, answer) {
        Ok(passed_on) => passed_on,
        Err(error) => {
            drop(asker.send(Err(error.into())));
            return download.usage(upward, status, false, admitted.own_key);
        }
    };
    // Whoever asked may be gone: then nobody reads, and the provider need not go on.
    let is_there = asker.send(Ok(response)).is_ok();
    let ended = match relay {
        Some(relay) if is_there => relay.pass_until(&mut download, gone).await,
        Some(_) => Ended::Unread,
        None => Ended::Whole,
    };
    if let Ended::Broken(why) = &ended {
        log::error(
            "provider_broke_off",
            json!({"requestId": admitted.id, "provider": admitted.provider.id, "error": why}),
        );
    }
    download.usage(upward, status, matches!(ended, Ended::Whole), admitted.own_key)
}

/// The provider's answer as the sandbox gets it, and the body that is to be passed on, if there is any.
fn passed_on(admitted: &Admitted, answer: &Response) -> Result<(Option<Relay>, Response)> {
    let theirs = answer.headers();
    let coding = theirs
        .get("content-encoding")?
        .map(|coding| coding.to_ascii_lowercase());
    let undone = coding.as_deref().is_some_and(|coding| UNDONE.contains(&coding));
    let headers = Headers::new()?;
    for entry in theirs.entries() {
        let Some((name, value)) = js_pair(&entry?) else {
            continue;
        };
        let of_coding = undone && name == "content-encoding";
        if comes_back(&name) && !of_coding && !value.contains(&admitted.key) {
            headers.append(&name, &value)?;
        }
    }
    headers.set(CALL, &admitted.id)?;
    if let Some(warning) = &admitted.warning {
        headers.set(WARNING, warning)?;
    }
    let init = ResponseInit::new();
    init.set_status(answer.status());
    init.set_headers(&headers);
    let Some(body) = answer.body() else {
        return Ok((None, Response::new_with_opt_str_and_init(None, &init)?));
    };
    let length = theirs.get("content-length")?.and_then(|text| text.parse().ok());
    let (relay, readable) = Relay::of(body, length.filter(|_| coding.is_none()))?;
    let response = Response::new_with_opt_readable_stream_and_init(Some(&readable), &init)?;
    Ok((Some(relay), response))
}

async fn finish(admitted: &Admitted, usage: CallUsage) {
    let told = FinishProviderCall {
        call: admitted.id.clone(),
        provider: admitted.provider.id.clone(),
        usage,
    };
    if let Err(error) = call::make(&admitted.object, &told).await {
        log::error(
            "provider_call_not_counted",
            json!({"requestId": admitted.id, "sandbox": admitted.caller.sandbox, "error": error.to_string()}),
        );
    }
}

/// A header as `Headers.entries` gives it.
fn js_pair(entry: &wasm_bindgen::JsValue) -> Option<(String, String)> {
    let pair: &js_sys::Array = wasm_bindgen::JsCast::dyn_ref(entry)?;
    Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
}
