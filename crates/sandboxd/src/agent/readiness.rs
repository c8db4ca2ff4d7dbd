//! Whether the agent admits traffic.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// How long one question may take. An agent that is busy starting may not answer for a while; that is "not yet".
const PATIENCE: Duration = Duration::from_secs(3);
/// More than any probe answers.
const MAX_ANSWER: usize = 64 * 1024;

/// Answer of one probe route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200 with something that is not a page.
    Yes,
    /// Any other answer of a probe route.
    No,
    /// There is no such route: older releases answer 404, or their page, which they answer on every path.
    NoSuchRoute,
    /// Nobody answered.
    Silence,
}

/// What status and type of an answer mean.
fn classify(status: StatusCode, content_type: Option<&str>) -> Answer {
    let is_page = content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
    match status {
        StatusCode::NOT_FOUND => Answer::NoSuchRoute,
        StatusCode::OK if is_page => Answer::NoSuchRoute,
        StatusCode::OK => Answer::Yes,
        _ => Answer::No,
    }
}

/// What was found out about the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It admits traffic.
    Ready,
    /// It has started and says that something in it is not well.
    Degraded,
    /// Not yet, or not any more.
    NotReady,
}

/// Asks the agent on a loopback port.
#[derive(Clone, Debug)]
pub struct Probe {
    client: Client<HttpConnector, Empty<Bytes>>,
    port: u16,
}

impl Probe {
    /// For the agent on `port`.
    pub fn new(port: u16) -> Self {
        // No connection is kept: each question finds out anew whether the agent takes connections.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http();
        Self { client, port }
    }

    /// One look at the agent.
    pub async fn look(&self) -> Readiness {
        match self.ask("/readyz").await {
            Answer::Yes => Readiness::Ready,
            // `/readyz` is also 503 while a channel that the user has set up is broken. Refusing traffic then would lock the user out of the
            // very page on which to mend it, so a start that is over counts, only later (see the supervisor).
            Answer::No if self.ask("/startupz").await == Answer::Yes => Readiness::Degraded,
            Answer::NoSuchRoute if self.greets().await => Readiness::Ready,
            Answer::No | Answer::NoSuchRoute | Answer::Silence => Readiness::NotReady,
        }
    }

    async fn ask(&self, path: &str) -> Answer {
        tokio::time::timeout(PATIENCE, self.exchange(path))
            .await
            .ok()
            .flatten()
            .unwrap_or(Answer::Silence)
    }

    async fn exchange(&self, path: &str) -> Option<Answer> {
        let uri = format!("http://127.0.0.1:{}{path}", self.port);
        let request = Request::get(uri)
            .header(header::CONNECTION, "close")
            .body(Empty::new())
            .ok()?;
        let response = self.client.request(request).await.ok()?;
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let answer = classify(response.status(), content_type);
        Limited::new(response.into_body(), MAX_ANSWER).collect().await.ok()?;
        Some(answer)
    }

    /// Whether a WebSocket gets a first frame, which the gateway sends by itself (`connect.challenge`).
    async fn greets(&self) -> bool {
        let greeting = async {
            let url = format!("ws://127.0.0.1:{}/", self.port);
            let (mut socket, _) = tokio_tungstenite::connect_async(url).await.ok()?;
            let first = socket.next().await?.ok()?;
            let _ = socket.close(None).await;
            first.is_text().then_some(())
        };
        tokio::time::timeout(PATIENCE, greeting).await.ok().flatten().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_on_a_probe_route_is_no_answer() {
        let ok = StatusCode::OK;
        assert_eq!(classify(ok, Some("application/json; charset=utf-8")), Answer::Yes);
        assert_eq!(classify(ok, None), Answer::Yes);
        assert_eq!(classify(ok, Some("Text/HTML; charset=utf-8")), Answer::NoSuchRoute);
        assert_eq!(classify(StatusCode::NOT_FOUND, Some("text/plain")), Answer::NoSuchRoute);
        assert_eq!(
            classify(StatusCode::SERVICE_UNAVAILABLE, Some("application/json")),
            Answer::No
        );
        assert_eq!(classify(StatusCode::UNAUTHORIZED, None), Answer::No);
    }
}
