//! The way of a whole upload to the agent: one request, never a second one that the agent could take for another.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use molt_common::control::SupervisorPhase;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use super::kept_body;
use super::record::{Progress, Record, kept, restored};
use super::{Upload, Uploads};
use crate::agent::AgentState;
use crate::clock::now_ms;
use crate::http_server::Body;
use crate::proxy::Activity;
use crate::proxy::headers::{self, PublicAddress};

/// Longest answer that is kept, bytes.
const LONGEST_ANSWER: u64 = 64 << 20;
/// Pause after an agent that was ready could not be reached: it has just ended.
const UNREACHED: Duration = Duration::from_millis(500);
/// Pause before a record that the disk did not take is written again.
const RECORD_AGAIN: Duration = Duration::from_secs(1);
/// By this the agent can tell a delivery that is made again from another upload.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How the agent is reached.
pub struct Agent {
    /// For whom it works.
    pub owner: String,
    /// Public address where the edge stated none.
    pub fallback: PublicAddress,
    /// Its loopback port.
    pub port: u16,
    /// How it is.
    pub state: watch::Receiver<AgentState>,
    /// Where what is under way is counted.
    pub activity: Arc<Activity>,
    /// Connections to it.
    pub client: Client<HttpConnector, Body>,
}

/// What became of one attempt.
enum Attempt {
    /// It ended, in this.
    Ended(Progress),
    /// Not a byte was sent.
    Unreached,
}

impl Uploads {
    /// Delivers an upload that is whole, beside everything else.
    pub(super) fn deliver(self: &Arc<Self>, upload: &Arc<Upload>) {
        let (uploads, upload) = (Arc::clone(self), Arc::clone(upload));
        tokio::spawn(async move {
            let mut gone = upload.gone.subscribe();
            tokio::select! {
                () = uploads.drive(&upload) => {}
                _ = gone.wait_for(|gone| *gone) => {}
            }
        });
    }

    async fn drive(&self, upload: &Upload) {
        let mut state = self.agent.state.clone();
        loop {
            if state
                .wait_for(|state| state.phase == SupervisorPhase::Ready)
                .await
                .is_err()
            {
                return;
            }
            // Stored before the first byte leaves: a restart must not take it for undelivered.
            self.change_at_last(upload, |record| record.progress = Progress::Delivering)
                .await;
            // A sandbox in which this goes on is in use.
            let open = self.agent.activity.exchange_opened();
            let progress = match self.attempt(&upload.record()).await {
                Attempt::Ended(progress) => progress,
                Attempt::Unreached => Progress::Waiting,
            };
            let again = progress == Progress::Waiting;
            let answered = matches!(progress, Progress::Answered { .. });
            let outcome = |record: &mut Record| {
                record.progress.clone_from(&progress);
                record.expires_at = now_ms().saturating_add(self.ttl_ms);
            };
            let stored = self.change(upload, outcome);
            // The agent has it, whether or not that is stored: and this may make the room for that.
            if answered {
                self.spool.forget_data(&upload.record().id);
            }
            // Waiting for room on the disk is no use of the sandbox.
            drop(open);
            if stored.is_err() {
                self.change_at_last(upload, outcome).await;
            }
            if !again {
                return;
            }
            tokio::time::sleep(UNREACHED).await;
        }
    }

    /// Changes the record however long the disk does not take it: nobody else would go on with the upload. Ends with the upload too.
    async fn change_at_last(&self, upload: &Upload, change: impl Fn(&mut Record)) {
        let mut said = false;
        while let Err(error) = self.change(upload, &change) {
            if !said {
                tracing::error!(%error, "how far an upload is cannot be written; trying again");
                said = true;
            }
            tokio::time::sleep(RECORD_AGAIN).await;
        }
    }

    async fn attempt(&self, record: &Record) -> Attempt {
        let Ok(data) = self.spool.data(&record.id).await else {
            return Attempt::Ended(Progress::unreadable());
        };
        let Some(request) = self.request(record, kept_body::of(data, record.length, ())) else {
            return Attempt::Ended(Progress::unreadable());
        };
        match self.agent.client.request(request).await {
            // Nobody asked for another protocol, and nobody who fetches the answer could be told that.
            Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => Attempt::Ended(Progress::broke_off()),
            Ok(answer) => Attempt::Ended(self.keep(record, answer).await),
            Err(error) if error.is_connect() => Attempt::Unreached,
            Err(error) => {
                tracing::info!(%error, "the agent did not answer to an upload");
                Attempt::Ended(Progress::broke_off())
            }
        }
    }

    fn request(&self, record: &Record, body: Body) -> Option<Request<Body>> {
        let uri: Uri = format!("http://127.0.0.1:{}{}", self.agent.port, record.target.path)
            .parse()
            .ok()?;
        let mut request = Request::new(body);
        *request.method_mut() = record.target.method.word().parse().ok()?;
        *request.uri_mut() = uri;
        let mut headers = headers::to_agent(&restored(&record.edge), &self.agent.owner, &self.agent.fallback, false);
        if let Some(kind) = &record.target.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).ok()?);
        }
        headers.insert(CONTENT_LENGTH, record.length.into());
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(record.id.as_str()).ok()?);
        *request.headers_mut() = headers;
        Some(request)
    }

    async fn keep(&self, record: &Record, answer: Response<Incoming>) -> Progress {
        let public = PublicAddress::stated(&restored(&record.edge), &self.agent.fallback);
        let (parts, mut body) = answer.into_parts();
        let mut headers: HeaderMap = headers::to_edge(&parts.headers, &public.seen(self.agent.port), false);
        headers.remove(CONTENT_LENGTH);
        let Ok(mut file) = self.spool.new_answer(&record.id).await else {
            return Progress::not_kept();
        };
        let mut bytes = 0_u64;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Progress::broke_off() };
            let Some(piece) = frame.data_ref() else { continue };
            bytes += piece.len() as u64;
            if bytes > LONGEST_ANSWER {
                return Progress::answer_too_long();
            }
            if file.write_all(piece).await.is_err() {
                return Progress::not_kept();
            }
        }
        if file.flush().await.is_err() {
            return Progress::not_kept();
        }
        Progress::Answered {
            status: parts.status.as_u16(),
            headers: kept(&headers),
            bytes,
        }
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
