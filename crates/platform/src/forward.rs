//! Forwarding without touching a byte: the runtime carries body and WebSocket, wasm only decides about headers.

use futures_util::StreamExt;
use js_sys::{ArrayBuffer, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, RequestCache, RequestInit, RequestRedirect, Response};
use worker::{Env, Fetcher, Result, Stub};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetch)]
    fn fetch_from_the_internet(request: &Request) -> std::result::Result<js_sys::Promise, JsValue>;
}

/// A copy of a request on its way to somebody else.
pub struct Outgoing {
    request: Request,
    headers: Headers,
}

impl Outgoing {
    /// `new Request(url, old)`: method, headers, body stream, signal and upgrade carry over; the body is not teed.
    ///
    /// # Errors
    /// When the URL is refused.
    pub fn new(url: &str, old: &Request) -> Result<Self> {
        let init: &RequestInit = old.unchecked_ref();
        let request = Request::new_with_str_and_init(url, init)?;
        let headers = request.headers();
        Ok(Self { request, headers })
    }

    /// The same, with a body that was kept.
    ///
    /// # Errors
    /// When the URL is refused.
    pub fn with_kept_body(url: &str, old: &Request, body: &ArrayBuffer) -> Result<Self> {
        let init = RequestInit::new();
        init.set_method(&old.method());
        init.set_headers(&old.headers());
        init.set_body(body);
        init.set_signal(Some(&old.signal()));
        // As a request that comes in from outside has it: whoever asked follows.
        init.set_redirect(RequestRedirect::Manual);
        // What the edge knows of the client, for who looks at it.
        let cf = JsValue::from_str("cf");
        Reflect::set(&init, &cf, &Reflect::get(old, &cf)?)?;
        let request = Request::new_with_str_and_init(url, &init)?;
        let headers = request.headers();
        Ok(Self { request, headers })
    }

    /// Removes every header whose name satisfies `unwanted`.
    ///
    /// # Errors
    /// When the runtime refuses; never for a name it listed itself.
    pub fn strip(&self, unwanted: impl Fn(&str) -> bool) -> Result<()> {
        crate::respond::strip(&self.headers, unwanted)
    }

    /// Sets a header, whatever the client sent under its name.
    ///
    /// # Errors
    /// When the value is not a legal header value.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        Ok(self.headers.set(name, value)?)
    }

    /// Removes a header.
    ///
    /// # Errors
    /// When the name is not legal.
    pub fn remove(&self, name: &str) -> Result<()> {
        Ok(self.headers.delete(name)?)
    }

    /// To a service binding.
    ///
    /// # Errors
    /// When the binding is missing or the other side does not answer.
    pub async fn to_service(self, env: &Env, binding: &str) -> Result<Response> {
        let service: worker_sys::Fetcher = env.get_binding::<Fetcher>(binding)?.into_rpc();
        self.to_fetcher(&service).await
    }

    /// To a Durable Object.
    ///
    /// # Errors
    /// When the object does not answer.
    pub async fn to_object(self, stub: Stub) -> Result<Response> {
        let object: worker_sys::DurableObject = stub.into_rpc();
        Ok(JsFuture::from(object.fetch_with_request(&self.request)?)
            .await?
            .dyn_into()?)
    }

    /// To the server of its URL: redirects come back as they are, nothing is kept in or taken from a cache of the platform, and an upgrade passes.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn to_internet(self) -> Result<Response> {
        let init = RequestInit::new();
        init.set_redirect(RequestRedirect::Manual);
        init.set_cache(RequestCache::NoStore);
        let request = Request::new_with_request_and_init(&self.request, &init)?;
        Ok(JsFuture::from(fetch_from_the_internet(&request)?).await?.dyn_into()?)
    }

    /// To anything that fetches, such as a port of a container.
    ///
    /// # Errors
    /// When the other side does not answer.
    pub async fn to_fetcher(self, fetcher: &worker_sys::Fetcher) -> Result<Response> {
        Ok(JsFuture::from(fetcher.fetch(&self.request)?).await?.dyn_into()?)
    }
}

/// The same request without its body, which stays where it is.
///
/// # Errors
/// When the runtime refuses.
pub fn without_body(request: &Request) -> Result<Request> {
    let init = RequestInit::new();
    init.set_method(&request.method());
    init.set_headers(&request.headers());
    init.set_signal(Some(&request.signal()));
    let copy = Request::new_with_str_and_init(&request.url(), &init)?;
    copy.headers().delete("content-length")?;
    Ok(copy)
}

/// A header of a request; `None` when absent. Repeated ones come joined by `, `.
#[must_use]
pub fn header(request: &Request, name: &str) -> Option<String> {
    request.headers().get(name).ok().flatten()
}

/// The whole body of a request. Bound its length first.
///
/// # Errors
/// When the body breaks off or was read before.
pub async fn bytes(request: &Request) -> Result<ArrayBuffer> {
    Ok(JsFuture::from(request.array_buffer()?).await?.dyn_into()?)
}

/// The whole body of a request, counted while it comes in; `None` when it is longer than `longest` bytes. The rest of a longer one is not read.
///
/// # Errors
/// When the body breaks off or was read before.
pub async fn bounded(request: &Request, longest: usize) -> Result<Option<Vec<u8>>> {
    if request.body().is_none() {
        return Ok(Some(Vec::new()));
    }
    // The same request, not `Request.clone()`, which would tee its body.
    let same = Clone::clone(request);
    let mut pieces = worker::Request::from(same).stream()?;
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        if bytes.len() + piece.len() > longest {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes))
}

/// The whole body of a request as text. Bound its length first: `Content-Length` is what the connection enforces.
///
/// # Errors
/// When the body breaks off or was read before.
pub async fn text(request: &Request) -> Result<String> {
    Ok(JsFuture::from(request.text()?).await?.as_string().unwrap_or_default())
}

/// What the client itself accepts as encoding; `identity` when it named none. The edge replaces the header by its own and keeps the
/// client's in `request.cf`; without this, somebody who asked for nothing would be answered in Brotli.
#[must_use]
pub fn client_encoding(request: &Request) -> String {
    let cf = Reflect::get(request, &JsValue::from_str("cf"))
        .ok()
        .filter(JsValue::is_object);
    let own = cf.and_then(|cf| {
        Reflect::get(&cf, &JsValue::from_str("clientAcceptEncoding"))
            .ok()?
            .as_string()
    });
    own.or_else(|| header(request, "accept-encoding"))
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "identity".into())
}
