//! One question to another part of the platform, and its answer as text.

use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, Request, RequestInit, Response};
use worker::{Env, Fetcher, Result};

/// What is asked.
pub struct Question<'a> {
    /// Method, upper case.
    pub method: &'a str,
    /// Absolute URL; whether its host means anything is up to who is asked.
    pub url: &'a str,
    /// Headers, lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// A body.
    pub body: Option<&'a str>,
    /// Given up after this long, the body included.
    pub timeout: Duration,
}

impl Question<'_> {
    /// Asks anything that fetches, such as a port of a container: `(status, body)`.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    pub async fn ask(&self, fetcher: &worker_sys::Fetcher) -> Result<(u16, String)> {
        let headers = Headers::new()?;
        for (name, value) in self.headers {
            headers.set(name, value)?;
        }
        let init = RequestInit::new();
        init.set_method(self.method);
        init.set_headers(&headers);
        init.set_signal(Some(&AbortSignal::timeout_with_u32(
            u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX),
        )));
        if let Some(body) = self.body {
            init.set_body(&JsValue::from_str(body));
        }
        let outgoing = Request::new_with_str_and_init(self.url, &init)?;
        let response: Response = JsFuture::from(fetcher.fetch(&outgoing)?).await?.dyn_into()?;
        let text = JsFuture::from(response.text()?).await?;
        Ok((response.status(), text.as_string().unwrap_or_default()))
    }

    /// Asks a service binding.
    ///
    /// # Errors
    /// When the binding is missing or there is no whole answer in time.
    pub async fn ask_service(&self, env: &Env, binding: &str) -> Result<(u16, String)> {
        let service: worker_sys::Fetcher = env.get_binding::<Fetcher>(binding)?.into_rpc();
        self.ask(&service).await
    }
}
