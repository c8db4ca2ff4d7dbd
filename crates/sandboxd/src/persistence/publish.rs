//! Asks the edge to let a snapshot count.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use molt_common::control::snapshot::RepositoryAccess;
use molt_common::snapshot::{PublishAnswer, PublishRequest};
use tokio::time::{Instant, sleep, timeout};

use super::child::Failure;
use crate::backoff::Backoff;

/// How long one answer may take: the edge looks at every object of the snapshot first.
const PATIENCE: Duration = Duration::from_secs(120);
/// First pause after an attempt without an answer, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// Longest answer that is read, bytes.
const LONGEST: usize = 64 * 1024;

/// Speaks with the edge.
pub struct Publisher {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Publisher {
    /// One that has no connection yet.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(10)));
        // Asked once in minutes: a connection kept in between would be a broken one.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Self { client }
    }

    /// Asks until there is an answer, or `deadline` passes. The same request again is the same publication.
    pub async fn publish(
        &self,
        access: &RepositoryAccess,
        request: &PublishRequest,
        deadline: Instant,
    ) -> Result<PublishAnswer, Failure> {
        let body = serde_json::to_vec(request).map_err(|_| Failure::lasting("the snapshot cannot be described"))?;
        let body = Bytes::from(body);
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        loop {
            let failure = match timeout(PATIENCE, self.ask(access, body.clone())).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::passing("the edge does not answer"),
            };
            let pause = backoff.after_failure(Duration::ZERO);
            if !failure.transient || Instant::now() + pause >= deadline {
                return Err(failure);
            }
            tracing::warn!(%failure, pause_ms = pause.as_millis(), "the snapshot is not published yet");
            sleep(pause).await;
        }
    }

    async fn ask(&self, access: &RepositoryAccess, body: Bytes) -> Result<PublishAnswer, Failure> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", access.token))
            .map_err(|_| Failure::lasting("the repository's token cannot stand in a header"))?;
        authorization.set_sensitive(true);
        let request = Request::post(format!("{}publish", access.url))
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|_| Failure::lasting("the repository's address is none"))?;
        let answer = self.client.request(request).await.map_err(|error| {
            // Its own words do not say what was refused.
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Failure::passing(format!("the edge cannot be asked: {cause}"))
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST)
            .collect()
            .await
            .map_err(|error| Failure::passing(format!("the edge's answer broke off: {error}")))?
            .to_bytes();
        read(status, &body)
    }
}

/// What an answer means. Only what says clearly that it is one of ours counts: anything else may come from something in between.
fn read(status: StatusCode, body: &[u8]) -> Result<PublishAnswer, Failure> {
    match (status, serde_json::from_slice(body)) {
        (StatusCode::OK, Ok(answer @ PublishAnswer::Published { .. })) => Ok(answer),
        (StatusCode::CONFLICT, Ok(answer)) if !matches!(answer, PublishAnswer::Published { .. }) => Ok(answer),
        // The object sends a new token before the old one ends, and again when asked.
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
            Err(Failure::lasting("the edge does not accept the repository's token"))
        }
        (StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY, _) => {
            Err(Failure::lasting(format!("the edge refuses the snapshot: {status}")))
        }
        _ => Err(Failure::passing(format!("the edge answered {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_counts() {
        let published = br#"{"answer":"published","sequence":4}"#;
        let over = br#"{"answer":"generation_over","generation":9}"#;
        assert_eq!(
            read(StatusCode::OK, published),
            Ok(PublishAnswer::Published { sequence: 4 })
        );
        assert_eq!(
            read(StatusCode::CONFLICT, over),
            Ok(PublishAnswer::GenerationOver { generation: 9 })
        );
        for (status, body, transient) in [
            (StatusCode::OK, &over[..], true),
            (StatusCode::CONFLICT, published, true),
            (StatusCode::OK, b"<html>", true),
            (StatusCode::ACCEPTED, published, true),
            (StatusCode::NOT_FOUND, b"", true),
            (StatusCode::BAD_GATEWAY, published, true),
            (StatusCode::TOO_MANY_REQUESTS, b"", true),
            (StatusCode::UNAUTHORIZED, b"", false),
            (StatusCode::BAD_REQUEST, b"", false),
        ] {
            let failure = read(status, body).unwrap_err();
            assert_eq!(failure.transient, transient, "{status} {failure}");
        }
    }
}
