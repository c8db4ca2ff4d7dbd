//! Calls to the engine over its socket.

use std::path::PathBuf;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::net::UnixStream;

/// Variables that may name the engine's endpoint, in this order.
const VARIABLES: [&str; 2] = ["WRANGLER_DOCKER_HOST", "DOCKER_HOST"];

/// Where the engine is: `host` if given, else by the environment.
pub fn endpoint(host: Option<&str>) -> Result<String, String> {
    let from_environment = || VARIABLES.into_iter().find_map(|name| std::env::var(name).ok());
    host.map(str::to_owned)
        .or_else(from_environment)
        .ok_or_else(|| "where is the engine? Set WRANGLER_DOCKER_HOST=unix://PATH".to_owned())
}

/// The engine at its socket.
#[derive(Debug)]
pub struct Engine {
    path: PathBuf,
}

impl Engine {
    /// The engine at `host`, or where the environment says.
    pub fn new(host: Option<&str>) -> Result<Self, String> {
        let endpoint = endpoint(host)?;
        let path = endpoint
            .strip_prefix("unix://")
            .ok_or_else(|| format!("{endpoint} is not unix://PATH"))?;
        Ok(Self {
            path: PathBuf::from(path),
        })
    }

    /// The JSON answer to a GET.
    pub async fn get(&self, path: &str) -> Result<Value, String> {
        let body = self.call(Method::GET, path).await?;
        serde_json::from_slice(&body).map_err(|error| format!("{path}: {error}"))
    }

    /// Calls the engine; an error with its message unless it answers with success.
    pub async fn call(&self, method: Method, path: &str) -> Result<Bytes, String> {
        let fault = |error: &dyn std::fmt::Display| format!("no engine at {}: {error}", self.path.display());
        let stream = UnixStream::connect(&self.path).await.map_err(|error| fault(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| fault(&error))?;
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| fault(&error))?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| fault(&error))?
            .to_bytes();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(body);
        }
        let message = serde_json::from_slice::<Value>(&body).ok();
        let message = message.as_ref().and_then(|body| body["message"].as_str());
        Err(message.map_or_else(|| format!("the engine answered {status}"), str::to_owned))
    }
}

/// A path's part or a query's value.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
