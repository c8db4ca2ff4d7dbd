//! Uploads on a disk of their own and an agent that answers with what it gets, for tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use molt_common::control::SupervisorPhase;
use molt_common::upload::{Method, Target, UploadId};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::record::{Progress, Record};
use super::spool::Spool;
use super::{Agent, Upload, Uploads, Wish};
use crate::agent::AgentState;
use crate::http_server::{self, Body, whole};
use crate::proxy::headers::PublicAddress;

/// Longest that anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Path at which the agent blocks the record of the upload that it gets.
pub const FULL: &str = "/full";

/// See the module.
pub struct Bench {
    pub uploads: Arc<Uploads>,
    agent: watch::Sender<AgentState>,
    state: TempDir,
}

impl Bench {
    /// With nothing on the disk.
    pub async fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap()).await
    }

    /// With what is in a supervisor's folder. The agent is not ready.
    pub async fn over(state: TempDir) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let folder = state.path().to_owned();
        tokio::spawn(http_server::serve(listener, move |request| {
            answer(request, folder.clone())
        }));
        let starting = AgentState {
            phase: SupervisorPhase::Agent,
            cause: None,
            pid: None,
            restarts: 0,
            last_lines: Vec::new(),
        };
        let agent = watch::Sender::new(starting);
        let way = Agent {
            owner: "o".to_owned(),
            fallback: PublicAddress::of_origin("https://agent.example").unwrap(),
            port,
            state: agent.subscribe(),
            activity: Arc::default(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        };
        let uploads = Uploads::restore(state.path(), 60_000, way).unwrap();
        Self { uploads, agent, state }
    }

    /// The agent is ready from now on.
    pub fn agent_ready(&self) {
        self.agent.send_modify(|state| state.phase = SupervisorPhase::Ready);
    }

    /// The folder of an upload.
    pub fn folder(&self, id: &UploadId) -> PathBuf {
        folder(self.state.path(), id)
    }

    /// The folder of all uploads.
    pub fn all(&self) -> PathBuf {
        self.state.path().join("uploads")
    }

    /// A new upload.
    pub fn created(&self, length: u64) -> Arc<Upload> {
        self.uploads.create(wish(length)).unwrap().0
    }
}

/// Asks for a new upload.
pub fn wish(length: u64) -> Wish {
    Wish {
        length,
        target: target("/"),
        metadata: String::new(),
        key: None,
        edge: Vec::new(),
    }
}

fn target(path: &str) -> Target {
    Target {
        method: Method::Post,
        path: path.to_owned(),
        content_type: None,
    }
}

/// What an earlier `serve` has left: an upload of three bytes that is so far.
pub fn left(state: &Path, path: &str, progress: Progress) -> Record {
    let now = crate::clock::now_ms();
    let record = Record {
        id: UploadId::from_random(uuid::Uuid::new_v4().into_bytes()),
        length: 3,
        target: target(path),
        metadata: String::new(),
        key: None,
        edge: Vec::new(),
        created_at: now,
        expires_at: now + 60_000,
        unverified_from: None,
        progress,
    };
    Spool::new(state).unwrap().create(&record).unwrap();
    fs::write(folder(state, &record.id).join("data"), "abc").unwrap();
    record
}

fn folder(state: &Path, id: &UploadId) -> PathBuf {
    state.join("uploads").join(id.as_str())
}

/// Has the next record of an upload meet a full disk. The failure takes that away.
pub fn fill(folder: &Path) {
    symlink("/dev/full", partial(folder)).unwrap();
}

/// Has no record of an upload be written until the folder that this makes is removed.
pub fn block(folder: &Path) -> PathBuf {
    let block = partial(folder);
    fs::create_dir(&block).unwrap();
    block
}

/// What a record is before it takes its name.
pub fn partial(folder: &Path) -> PathBuf {
    folder.join("record.json.partial")
}

/// Waits until something is there no more.
pub async fn vanished(path: &Path) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while path.symlink_metadata().is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "it is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until an upload is so far.
pub async fn reached(upload: &Upload, holds: impl Fn(&Progress) -> bool) {
    let mut record = upload.record.subscribe();
    let reached = record.wait_for(|record| holds(&record.progress));
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("it did not get so far")
        .unwrap();
}

async fn answer(request: Request<Incoming>, state: PathBuf) -> Response<Body> {
    if request.uri().path() == FULL {
        let id = UploadId::parse(request.headers()["idempotency-key"].to_str().unwrap()).unwrap();
        block(&folder(&state, &id));
    }
    Response::new(whole(request.into_body().collect().await.unwrap().to_bytes()))
}
