//! Calls to servers that are not ours: bounded in time and size, never redirected.

use futures_util::StreamExt;
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
    let request = Request::new_with_init(url, &init)?;
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
