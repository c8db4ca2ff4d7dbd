//! `ctx.container` with the options that `worker` 0.8.7 cannot express: its own start options lose `env` without an error.

use crate::ask::Question;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use worker::{Result, State};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = js_sys::Object)]
    #[derive(Clone, Debug)]
    type JsContainer;
    #[wasm_bindgen(method, getter)]
    fn running(this: &JsContainer) -> bool;
    #[wasm_bindgen(method, catch, getter)]
    fn images(this: &JsContainer) -> std::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn start(this: &JsContainer, options: &JsValue) -> std::result::Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn destroy(this: &JsContainer) -> std::result::Result<js_sys::Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn signal(this: &JsContainer, number: i32) -> std::result::Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn monitor(this: &JsContainer) -> std::result::Result<js_sys::Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = setInactivityTimeout)]
    fn set_inactivity_timeout(this: &JsContainer, ms: f64) -> std::result::Result<js_sys::Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getTcpPort)]
    fn get_tcp_port(this: &JsContainer, port: u16) -> std::result::Result<worker_sys::Fetcher, JsValue>;
    #[wasm_bindgen(method, catch, js_name = interceptOutboundHttp)]
    fn intercept_outbound_http(
        this: &JsContainer,
        host: &str,
        target: &worker_sys::Fetcher,
    ) -> std::result::Result<js_sys::Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = interceptAllOutboundHttp)]
    fn intercept_all_outbound_http(
        this: &JsContainer,
        target: &worker_sys::Fetcher,
    ) -> std::result::Result<js_sys::Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = interceptOutboundHttps)]
    fn intercept_outbound_https(
        this: &JsContainer,
        hosts: &str,
        target: &worker_sys::Fetcher,
    ) -> std::result::Result<js_sys::Promise, JsValue>;
}

/// How a container is started.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StartOptions {
    /// Not optional in workerd: a present options object without it is a TypeError.
    pub enable_internet: bool,
    /// Environment of the image's entrypoint.
    pub env: BTreeMap<String, String>,
    /// Image, where the deployment names several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Size of the machine, where a start may choose it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// The container of a Durable Object.
#[derive(Clone, Debug)]
pub struct Container(JsContainer);

/// How a container came to its end, as the runtime tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Its first process ended; the runtime's words, unless it ended well.
    Exited(Option<String>),
    /// The runtime lost it, or could not start it; its words.
    Failed(String),
    /// This object's memory has not seen it.
    Unseen,
}

impl Container {
    /// `None` when the object's class has no container configured.
    #[must_use]
    pub fn of(state: &State) -> Option<Self> {
        let handle = state.container()?;
        let js: &JsValue = handle.as_ref();
        Some(Self(js.clone().unchecked_into()))
    }

    /// Whether the runtime believes that there is one: true from `start` on, and after a reload what the engine says.
    #[must_use]
    pub fn running(&self) -> bool {
        self.0.running()
    }

    /// The reference of a named image; `None` where the deployment's scheduling policy knows no named images.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<String> {
        let images = self.0.images().ok().filter(JsValue::is_object)?;
        js_sys::Reflect::get(&images, &JsValue::from_str(name))
            .ok()?
            .as_string()
    }

    /// Starts it. Returns before it runs.
    ///
    /// # Errors
    /// When it runs already or the options are refused.
    pub fn start(&self, options: &StartOptions) -> Result<()> {
        // json_compatible: maps become plain objects, which is what the runtime reads.
        let js = options
            .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
            .map_err(JsValue::from)?;
        Ok(self.0.start(&js)?)
    }

    /// Keeps it for this long after the object goes to sleep.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn keep_alive(&self, time: Duration) -> Result<()> {
        #[allow(clippy::cast_precision_loss)] // Minutes, exact in an f64.
        let ms = time.as_millis() as f64;
        JsFuture::from(self.0.set_inactivity_timeout(ms)?).await?;
        Ok(())
    }

    /// Kills and removes it at once.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn destroy(&self) -> Result<()> {
        JsFuture::from(self.0.destroy()?).await?;
        Ok(())
    }

    /// How the container ended that this object saw last. Ask only when nothing is [`running`](Self::running): it waits for the end.
    pub async fn end(&self) -> End {
        let Ok(monitor) = self.0.monitor() else {
            return End::Unseen;
        };
        match JsFuture::from(monitor).await {
            Ok(_) => End::Exited(None),
            Err(error) => {
                let text = worker::Error::from(error).to_string();
                // "Container exited with unexpected exit code: 1", "Runtime signalled the container to exit: 15".
                if text.contains("exit code:") || text.contains("to exit:") {
                    End::Exited(Some(text))
                } else {
                    End::Failed(text)
                }
            }
        }
    }

    /// Leads what it asks of `host` on port 80, by plain HTTP, to `target`, whether it has other ways out or not. Before a start it holds from the
    /// start on. The runtime forgets it when its own process is replaced, and a later one for the same host takes its place.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn intercept_outbound_http(&self, host: &str, target: &worker_sys::Fetcher) -> Result<()> {
        JsFuture::from(self.0.intercept_outbound_http(host, target)?).await?;
        Ok(())
    }

    /// Leads all that it asks by plain HTTP on port 80, of whatever host or address, and by HTTPS on port 443, of whatever host it names in its greeting,
    /// to `target`; TLS ends on the way there, with certificates of an authority that the runtime puts below `/etc/cloudflare/certs`. Holds and is forgotten
    /// as [`Self::intercept_outbound_http`]. Nothing takes it back. Whether anything else leaves is [`StartOptions::enable_internet`].
    ///
    /// # Errors
    /// When the engine refuses, or the runtime cannot intercept HTTPS.
    pub async fn intercept_all_outbound(&self, target: &worker_sys::Fetcher) -> Result<()> {
        JsFuture::from(self.0.intercept_all_outbound_http(target)?).await?;
        JsFuture::from(self.0.intercept_outbound_https("*", target)?).await?;
        Ok(())
    }

    /// Sends a signal to its init process.
    ///
    /// # Errors
    /// When it is not running.
    pub fn signal(&self, number: i32) -> Result<()> {
        Ok(self.0.signal(number)?)
    }

    /// A TCP port inside it, to fetch from.
    ///
    /// # Errors
    /// When it is not running.
    pub fn port(&self, port: u16) -> Result<worker_sys::Fetcher> {
        Ok(self.0.get_tcp_port(port)?)
    }
}

/// One JSON request to a port of a container.
pub struct PortRequest<'a> {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Bearer token.
    pub token: &'a str,
    /// JSON text.
    pub body: Option<&'a str>,
    /// Given up after this long.
    pub timeout: Duration,
}

/// Sends it and reads the answer as text: `(status, body)`.
///
/// # Errors
/// When nothing answers in time.
pub async fn ask(port: &worker_sys::Fetcher, request: &PortRequest<'_>) -> Result<(u16, String)> {
    let authorization = format!("Bearer {}", request.token);
    Question {
        method: request.method,
        url: &format!("http://sandbox{}", request.path),
        headers: &[
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ],
        body: request.body,
        timeout: request.timeout,
    }
    .ask(port)
    .await
}
