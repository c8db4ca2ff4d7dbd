//! Calls to servers that are not ours: bounded in time and size, never redirected.

use futures_util::StreamExt;
use js_sys::{Object, Reflect};
use worker::{AbortSignal, Error, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Result};

/// What a call may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Milliseconds until the whole answer must be there.
    pub time_ms: u32,
    /// Bytes of the answer's body.
    pub bytes: usize,
}

/// An answer.
pub struct Answer {
    /// HTTP status; a redirect is not followed, because it would carry credentials elsewhere.
    pub status: u16,
    /// Body.
    pub body: String,
}

/// How old an answer from a cache on the way may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// A good one this many seconds; an error is never kept.
    Cached(u32),
    /// It must come from the server itself.
    FromOrigin,
}

/// `POST`s JSON.
///
/// # Errors
/// When there is no whole answer in time, or it is longer than allowed, or not text.
pub async fn post(url: &str, headers: &[(&str, &str)], json: &str, limits: Limits) -> Result<Answer> {
    let list = Headers::new();
    list.set("content-type", "application/json")?;
    for (name, value) in headers {
        list.set(name, value)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(list)
        .with_redirect(RequestRedirect::Manual)
        .with_body(Some(json.into()));
    send(Request::new_with_init(url, &init)?, limits).await
}

/// `GET`s a public document.
///
/// # Errors
/// As [`post`].
pub async fn get(url: &str, freshness: Freshness, limits: Limits) -> Result<Answer> {
    let init = web_sys::RequestInit::new();
    init.set_method("GET");
    init.set_redirect(web_sys::RequestRedirect::Manual);
    match freshness {
        // Not by `worker`'s own properties: those would also set an empty cache key.
        Freshness::Cached(seconds) => {
            let ttl = Object::new();
            Reflect::set(&ttl, &"200-299".into(), &seconds.into())?;
            Reflect::set(&ttl, &"300-599".into(), &(-1).into())?;
            let cf = Object::new();
            Reflect::set(&cf, &"cacheTtlByStatus".into(), &ttl)?;
            Reflect::set(&init, &"cf".into(), &cf)?;
        }
        Freshness::FromOrigin => init.set_cache(web_sys::RequestCache::NoStore),
    }
    send(web_sys::Request::new_with_str_and_init(url, &init)?.into(), limits).await
}

async fn send(request: Request, limits: Limits) -> Result<Answer> {
    let signal = AbortSignal::from(web_sys::AbortSignal::timeout_with_u32(limits.time_ms));
    let mut response = Fetch::Request(request).send_with_signal(&signal).await?;
    let status = response.status_code();
    let mut bytes = Vec::new();
    // An answer such as 204 has no body at all.
    if let Ok(mut stream) = response.stream() {
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() > limits.bytes {
                return Err(Error::RustError(format!(
                    "the answer is longer than {} bytes",
                    limits.bytes
                )));
            }
        }
    }
    let body = String::from_utf8(bytes).map_err(|_| Error::RustError("the answer is not text".into()))?;
    Ok(Answer { status, body })
}
