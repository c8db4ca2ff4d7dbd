//! The edge as far as a sandbox sees it: a real HTTP server that holds a repository and takes publications by compare-and-set.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use molt_common::snapshot::{PublishAnswer, PublishRequest, SnapshotId};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::repository::Repository;

/// Part of the repository's key.
pub const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const BASE: &str = "/_molt/repository/sb-test/";

/// How it answers.
#[derive(Clone)]
pub enum Mode {
    /// As it should.
    Right,
    /// It takes the publication and its answer is lost.
    LosesAnswer,
    /// It breaks the connection.
    Away,
    /// Always this.
    Says(u16, Value),
}

pub struct State {
    pub mode: Mode,
    pub head: Option<SnapshotId>,
    pub published: Vec<PublishRequest>,
    /// `Authorization` of each request.
    pub authorizations: Vec<String>,
    pub repository: Repository,
}

pub struct Edge {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Edge {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            mode: Mode::Right,
            head: None,
            published: Vec::new(),
            authorizations: Vec::new(),
            repository: Repository::default(),
        }));
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                tokio::spawn(async move {
                    // An answer that is an error breaks the connection, as it should.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            state,
            serving,
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn mode(&self, mode: Mode) {
        self.state().mode = mode;
    }

    pub fn head(&self) -> Option<SnapshotId> {
        self.state().head
    }

    /// Access to its repository.
    pub fn access(&self, token: &str) -> Value {
        let half = "MDEyMzQ1Njc4OWFiY2RlZg==";
        let key = json!({ "mac": { "k": half, "r": half }, "encrypt": KEY }).to_string();
        let url = format!("http://{}{BASE}", self.address);
        json!({ "url": url, "token": token, "key": key, "until": 9_999_999_999_999_u64 })
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, String> {
    let (parts, body) = request.into_parts();
    let authorization = parts.headers["authorization"].to_str().unwrap().to_owned();
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    let place = parts.uri.path().strip_prefix(BASE).expect("another address").to_owned();
    if let Some(name) = place.strip_prefix("restic/") {
        let mut state = state.lock().unwrap();
        return match state.mode {
            Mode::Away => Err("away".into()),
            _ => Ok(state.repository.answer(&parts.method, name, body)),
        };
    }
    assert_eq!((parts.method.as_str(), place.as_str()), ("POST", "publish"));
    let request: PublishRequest = serde_json::from_slice(&body).unwrap();
    let mut state = state.lock().unwrap();
    state.authorizations.push(authorization);
    let (status, body) = match state.mode.clone() {
        Mode::Away => return Err("away".into()),
        Mode::Says(status, body) => (status, body),
        Mode::Right => state.publish(request),
        Mode::LosesAnswer => {
            state.publish(request);
            return Err("lost".into());
        }
    };
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}

impl State {
    fn publish(&mut self, request: PublishRequest) -> (u16, Value) {
        let snapshot = request.manifest.snapshot;
        let missing = self.repository.missing(&request.manifest);
        let (status, answer) = if let Some(why) = missing {
            (409, PublishAnswer::Incomplete { why })
        } else if self.head == Some(snapshot) {
            let sequence = self.published.len() as u64;
            (200, PublishAnswer::Published { sequence })
        } else if self.head == request.head {
            self.head = Some(snapshot);
            self.published.push(request);
            let sequence = self.published.len() as u64;
            (200, PublishAnswer::Published { sequence })
        } else {
            (409, PublishAnswer::HeadMoved { head: self.head })
        };
        (status, serde_json::to_value(answer).unwrap())
    }
}
