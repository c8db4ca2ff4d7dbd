//! The beginning of a boot.

use molt_common::control::snapshot::RestoreStage;
use molt_common::control::{SupervisorPhase, header};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::edge::Edge;
use super::engine::Engine;
use super::{Kept, NEVER, begin};
use crate::support::{Sandbox, cmdline, error_of, eventually, shell, tree};

fn has_agent(sandbox: &Sandbox) -> bool {
    tree(sandbox.init_pid())
        .into_iter()
        .any(|pid| cmdline(pid).contains("echo-agent"))
}

#[tokio::test]
async fn nothing_is_done_before_the_word() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::waiting(&engine);
    let sandbox = &kept.sandbox;
    let status = sandbox.phase(SupervisorPhase::Restore).await;
    assert_eq!(status.snapshots.unwrap().restore, RestoreStage::Waiting);
    let (status, error) = error_of(sandbox.post_exec(&shell("early", "touch early")).await).await;
    assert_eq!(
        (status, error.code.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "not_started")
    );
    for path in ["/", "/_molt/uploads"] {
        let answer = sandbox.proxy(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(
            answer.headers()[header::NOT_READY],
            header::NOT_READY_STARTING,
            "{path}"
        );
    }
    let save = json!({ "id": "a", "reason": "request" });
    let (status, error) = error_of(kept.send(Method::POST, "/v1/save", &save).await).await;
    assert_eq!(
        (status, error.code.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    );
    assert_eq!(std::fs::read_dir(sandbox.home()).unwrap().count(), 0);
    assert!(!has_agent(sandbox));

    kept.begun(&begin(&edge, None, None, NEVER)).await;
    let status = sandbox.phase(SupervisorPhase::Ready).await.snapshots.unwrap();
    assert_eq!(
        (status.restore, status.restored, status.head),
        (RestoreStage::Done, None, None)
    );
    assert_eq!(sandbox.run(shell("early", "touch early")).await.exit_code, Some(0));
    assert!(engine.children("restore").is_empty());
}

#[tokio::test]
async fn the_disk_is_restored_before_the_agent_starts() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let snapshot = engine.make(&[("deep/file", "kept"), (".echo-start-delay-ms", "1")]);
    engine.hold("half");
    let kept = Kept::waiting(&engine);
    let wanted = begin(&edge, Some(snapshot), Some(snapshot), NEVER);
    kept.begun(&wanted).await;
    let status = kept.snapshots_where(|status| status.restored_bytes == 1).await;
    assert_eq!(
        (status.restore, status.restored),
        (RestoreStage::Running, Some(snapshot))
    );
    assert_eq!(status.restore_total_bytes, Some(7));
    assert_eq!(kept.sandbox.status().await.phase, SupervisorPhase::Restore);
    assert!(!has_agent(&kept.sandbox));
    let (status, _) = error_of(kept.sandbox.post_exec(&shell("early", "true")).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);

    engine.release("half");
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    assert_eq!(kept.read("deep/file").as_deref(), Some("kept"));
    let status = kept.begun(&wanted).await;
    assert_eq!((status.restore, status.head), (RestoreStage::Done, Some(snapshot)));
    assert!(status.safe_until.is_some());
    assert_eq!(
        engine.children("restore").len(),
        1,
        "the same word again restores nothing"
    );
    for other in [
        begin(&edge, None, Some(snapshot), NEVER),
        begin(&edge, Some(snapshot), None, NEVER),
    ] {
        let (status, error) = error_of(kept.send(Method::POST, "/v1/begin", &other).await).await;
        assert_eq!((status, error.code.as_str()), (StatusCode::CONFLICT, "conflict"));
    }
    let mut strange = begin(&edge, Some(snapshot), Some(snapshot), NEVER);
    strange["restor"] = json!(null);
    let (status, error) = error_of(kept.send(Method::POST, "/v1/begin", &strange).await).await;
    assert_eq!(
        (status, error.code.as_str()),
        (StatusCode::BAD_REQUEST, "invalid_request")
    );
}

#[tokio::test]
async fn a_restore_that_fails_starts_no_agent_and_saves_nothing() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let snapshot = engine.make(&[("file", "kept")]);
    let broken = r#"{"report":"failed","error":"pack 17 is damaged","transient":false}"#;
    engine.say("restore", broken);
    let kept = Kept::waiting(&engine);
    kept.begun(&begin(&edge, Some(snapshot), Some(snapshot), 100)).await;
    let status = kept.restore_is(RestoreStage::Failed).await;
    assert_eq!(status.restore_error.as_deref(), Some("pack 17 is damaged"));
    let status = kept.sandbox.status_where(|status| status.cause.is_some()).await;
    assert_eq!(status.phase, SupervisorPhase::Restore);
    assert!(status.cause.unwrap().contains("pack 17 is damaged"));
    assert!(!has_agent(&kept.sandbox) && engine.children("restore").len() == 1);
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    assert!(engine.children("save").is_empty(), "an empty disk is no snapshot");
    assert_eq!(edge.head(), None);
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let snapshot = engine.make(&[("file", "kept")]);
    engine.say("restore", r#"{"report":"failed","error":"no answer","transient":true}"#);
    let kept = Kept::waiting(&engine);
    kept.begun(&begin(&edge, Some(snapshot), Some(snapshot), NEVER)).await;
    eventually(|| async { (engine.children("restore").len() >= 2).then_some(()) }).await;
    assert_eq!(kept.snapshots().await.restore, RestoreStage::Running);
    engine.say_no_more("restore");
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    assert_eq!(kept.read("file").as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_restore_has_its_time() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let snapshot = engine.make(&[("file", "kept")]);
    engine.hold("half");
    let kept = Kept::with(&engine, &["--restore-limit-ms", "300"]);
    kept.begun(&begin(&edge, Some(snapshot), Some(snapshot), NEVER)).await;
    let status = kept.restore_is(RestoreStage::Failed).await;
    assert_eq!(status.restore_error.as_deref(), Some("it took too long"));
}

#[tokio::test]
async fn without_the_wait_nothing_is_kept() {
    let sandbox = Sandbox::ready().await;
    assert_eq!(sandbox.status().await.snapshots, None);
    let answer = sandbox.control(Method::GET, "/v1/snapshots").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}
