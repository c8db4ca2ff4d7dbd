//! The disk: restored before the agent starts, saved while it runs and when the sandbox stops.

mod begin;
mod edge;
mod engine;
mod killed;
mod real;
mod repository;
mod save;
mod stop;

use molt_common::control::snapshot::{RestoreStage, SaveStage, SaveView, SnapshotStatus, UpkeepView};
use molt_common::control::{SupervisorPhase, SupervisorStatus, env};
use molt_common::snapshot::SnapshotId;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Sandbox, eventually};
use edge::Edge;
use engine::Engine;

/// An interval that no test waits for.
const NEVER: u64 = 3_600_000;

/// A sandbox whose disk is kept.
pub struct Kept {
    pub sandbox: Sandbox,
}

impl Kept {
    /// One that waits for the word.
    pub fn waiting(engine: &Engine) -> Self {
        Self::with(engine, &[])
    }

    pub fn with(engine: &Engine, args: &[&str]) -> Self {
        let program = engine.program();
        let program = ["--snapshot-program", program.to_str().unwrap()];
        Self::start(&[&program, args].concat())
    }

    /// One that saves with `sandboxd snapshot` itself.
    pub fn real() -> Self {
        Self::start(&[])
    }

    fn start(args: &[&str]) -> Self {
        let mut all = vec!["--agent-stop-grace-ms", "2000"];
        if !args.contains(&"--stop-save-limit-ms") {
            all.extend(["--stop-save-limit-ms", "20000"]);
        }
        all.extend(args);
        let sandbox = Sandbox::of_env("echo", &all, &[(env::RESTORE, "wait")], |_| ());
        Self { sandbox }
    }

    /// One that was never saved and whose agent is ready.
    pub async fn fresh(engine: &Engine, edge: &Edge, interval_ms: u64) -> Self {
        let kept = Self::waiting(engine);
        kept.begun(&begin(edge, None, None, interval_ms)).await;
        kept.sandbox.phase(SupervisorPhase::Ready).await;
        kept
    }

    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        self.sandbox.control(method, path).json(body).send().await.unwrap()
    }

    /// Begins as soon as somebody listens.
    pub async fn begun(&self, begin: &Value) -> SnapshotStatus {
        let answer = eventually(|| async {
            let request = self.sandbox.control(Method::POST, "/v1/begin").json(begin);
            request.send().await.ok()
        })
        .await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        answer.json().await.unwrap()
    }

    pub async fn snapshots(&self) -> SnapshotStatus {
        let answer = self.sandbox.control(Method::GET, "/v1/snapshots").send().await.unwrap();
        answer.json().await.unwrap()
    }

    pub async fn snapshots_where(&self, holds: impl Fn(&SnapshotStatus) -> bool) -> SnapshotStatus {
        let told = |status: &SupervisorStatus| status.snapshots.as_ref().is_some_and(|snapshots| holds(snapshots));
        *self.sandbox.status_where(told).await.snapshots.unwrap()
    }

    pub async fn restore_is(&self, stage: RestoreStage) -> SnapshotStatus {
        self.snapshots_where(|snapshots| snapshots.restore == stage).await
    }

    pub async fn ask_save(&self, id: &str) -> SaveView {
        let answer = self
            .send(Method::POST, "/v1/save", &json!({ "id": id, "reason": "request" }))
            .await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        answer.json().await.unwrap()
    }

    pub async fn save_now(&self, id: &str) -> Option<SaveView> {
        let path = format!("/v1/save/{id}");
        let answer = self.sandbox.control(Method::GET, &path).send().await.ok()?;
        answer.json().await.ok()
    }

    /// Waits for the end of a save.
    pub async fn saved(&self, id: &str) -> SaveView {
        eventually(|| async {
            let view = self.save_now(id).await?;
            matches!(view.stage, SaveStage::Done | SaveStage::Failed).then_some(view)
        })
        .await
    }

    pub async fn ask_upkeep(&self, edge: &Edge, id: &str, work: Value) {
        let upkeep = json!({ "id": id, "work": work, "repository": edge.access("full") });
        let answer = self.send(Method::POST, "/v1/upkeep", &upkeep).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }

    /// Waits for the end of a work of upkeep.
    pub async fn upkept(&self, id: &str) -> UpkeepView {
        let path = format!("/v1/upkeep/{id}");
        eventually(|| async {
            let answer = self.sandbox.control(Method::GET, &path).send().await.ok()?;
            answer.json().await.ok().filter(|view: &UpkeepView| view.done)
        })
        .await
    }

    /// Takes a snapshot.
    pub async fn save(&self, id: &str) -> SnapshotId {
        self.ask_save(id).await;
        let view = self.saved(id).await;
        assert_eq!((view.stage, &view.error), (SaveStage::Done, &None));
        view.snapshot.unwrap()
    }

    /// Saves until there is nothing to save; the first may be followed by another, of what was written just before it. How many it took, and the newest.
    pub async fn unchanged(&self, engine: &Engine) -> (usize, SnapshotId) {
        eventually(|| async {
            let before = engine.children("save").len();
            let newest = self.save(&format!("until-unchanged-{before}")).await;
            (engine.children("save").len() == before).then_some((before, newest))
        })
        .await
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.sandbox.home().join(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.sandbox.home().join(name)).ok()
    }
}

/// `POST /v1/begin`.
pub fn begin(edge: &Edge, restore: Option<SnapshotId>, head: Option<SnapshotId>, interval_ms: u64) -> Value {
    json!({ "repository": edge.access("token-1"), "restore": restore, "head": head, "intervalMs": interval_ms })
}
