//! Whatever is killed, whenever.

use std::time::Duration;

use molt_common::control::SupervisorPhase;
use molt_common::control::snapshot::{RestoreStage, SaveStage};
use nix::sys::signal::{Signal, kill};
use serde_json::json;

use super::edge::{Edge, Mode};
use super::engine::Engine;
use super::{Kept, NEVER, begin};
use crate::support::{eventually, is_alive};

async fn kill_serve(kept: &Kept) {
    let killed = kept.sandbox.serve_pid();
    kill(killed, Signal::SIGKILL).unwrap();
    eventually(|| async { (!is_alive(killed)).then_some(()) }).await;
}

#[tokio::test]
async fn a_restore_whose_child_is_killed_begins_again_from_nothing() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let snapshot = engine.make(&[("file", "kept")]);
    engine.hold("half");
    let kept = Kept::waiting(&engine);
    kept.begun(&begin(&edge, Some(snapshot), Some(snapshot), NEVER)).await;
    eventually(|| async { kept.read("half") }).await;
    kill(engine.children("restore")[0], Signal::SIGKILL).unwrap();
    eventually(|| async { (engine.children("restore").len() == 2).then_some(()) }).await;
    engine.release("half");
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    assert_eq!(kept.read("file").as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_serve_that_is_killed_in_a_restore_waits_for_the_word_again() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let snapshot = engine.make(&[("file", "kept")]);
    engine.hold("half");
    let kept = Kept::waiting(&engine);
    let wanted = begin(&edge, Some(snapshot), Some(snapshot), NEVER);
    kept.begun(&wanted).await;
    eventually(|| async { kept.read("half") }).await;
    let child = engine.children("restore")[0];
    kill_serve(&kept).await;
    eventually(|| async { (!is_alive(child)).then_some(()) }).await;
    let status = kept.sandbox.phase(SupervisorPhase::Restore).await;
    assert_eq!(status.snapshots.unwrap().restore, RestoreStage::Waiting);
    engine.release("half");
    kept.begun(&wanted).await;
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    assert_eq!((kept.read("file").as_deref(), kept.read("half")), (Some("kept"), None));
}

#[tokio::test]
async fn a_serve_that_is_killed_later_does_not_restore_again() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let snapshot = engine.make(&[("file", "kept")]);
    edge.state().head = Some(snapshot);
    let kept = Kept::waiting(&engine);
    let wanted = begin(&edge, Some(snapshot), Some(snapshot), NEVER);
    kept.begun(&wanted).await;
    let before = kept.sandbox.phase(SupervisorPhase::Ready).await;
    kept.write("file", "newer");
    kept.save("a").await;
    kill_serve(&kept).await;
    let after = kept.sandbox.phase(SupervisorPhase::Ready).await;
    assert_eq!(after.agent_pid, before.agent_pid, "the agent goes on");
    let status = after.snapshots.unwrap();
    assert_eq!(
        (status.restore, status.restored),
        (RestoreStage::Waiting, Some(snapshot))
    );
    assert_eq!((status.head, status.changed), (edge.head(), true));
    let refused = kept
        .send(
            reqwest::Method::POST,
            "/v1/save",
            &json!({ "id": "b", "reason": "request" }),
        )
        .await;
    assert_eq!(refused.status(), 503);
    kept.begun(&begin(&edge, Some(snapshot), edge.head(), NEVER)).await;
    assert_eq!(kept.snapshots().await.restore, RestoreStage::Done);
    kept.write("file", "newest");
    let saved = kept.save("b").await;
    assert_eq!(engine.read(saved, "file").as_deref(), Some("newest"));
    assert_eq!(engine.children("restore").len(), 1);
}

#[tokio::test]
async fn what_a_killed_serve_sent_to_be_published_is_not_pruned() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    kept.write("file", "one");
    let first = kept.save("a").await;
    edge.mode(Mode::LosesAnswer);
    kept.write("file", "two");
    kept.ask_save("b").await;
    let sent = eventually(|| async { edge.head().filter(|head| *head != first) }).await;
    kill_serve(&kept).await;
    edge.mode(Mode::Right);
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    kept.begun(&begin(&edge, None, Some(first), NEVER)).await;
    let prune = json!({ "kind": "prune", "keep": [first] });
    kept.ask_upkeep(&edge, "before", prune).await;
    assert_eq!(kept.upkept("before").await.error, None);
    assert_eq!(
        engine.pruned_all_but(),
        [first, sent].into(),
        "the list does not know it yet"
    );

    kept.write("file", "three");
    let third = kept.save("c").await;
    let prune = json!({ "kind": "prune", "keep": [third] });
    kept.ask_upkeep(&edge, "after", prune.clone()).await;
    assert_eq!(kept.upkept("after").await.error, None);
    kill_serve(&kept).await;
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    kept.begun(&begin(&edge, None, Some(third), NEVER)).await;
    kept.ask_upkeep(&edge, "later", prune).await;
    assert_eq!(kept.upkept("later").await.error, None);
    assert_eq!(
        engine.pruned_all_but(),
        [third].into(),
        "what was removed is not counted on"
    );
}

#[tokio::test]
async fn a_save_whose_child_is_killed_has_failed_and_is_taken_again() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, 300).await;
    kept.write("file", "one");
    for wait_ms in [0_u64, 3, 10, 30] {
        let known = engine.children("save").len();
        kept.write("file", &format!("round {wait_ms}"));
        let child = eventually(|| async { engine.children("save").get(known).copied() }).await;
        // Another moment each time; what is waited for is not known from outside.
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let _ = kill(child, Signal::SIGKILL);
        let text = format!("round {wait_ms}");
        eventually(|| async { (engine.read(edge.head()?, "file")? == text).then_some(()) }).await;
    }
    engine.hold("checking");
    kept.write("file", "last");
    let known = engine.children("save").len();
    let child = eventually(|| async { engine.children("save").get(known).copied() }).await;
    kill(child, Signal::SIGKILL).unwrap();
    let failed = kept
        .snapshots_where(|status| status.save.as_ref().is_some_and(|save| save.stage == SaveStage::Failed))
        .await;
    assert!(failed.changed && failed.save.unwrap().error.unwrap().contains("cut off"));
    engine.release("checking");
    eventually(|| async { (engine.read(edge.head()?, "file")? == "last").then_some(()) }).await;
}

#[tokio::test]
async fn a_serve_that_is_killed_in_a_save_leaves_no_child_and_nothing_half_published() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    let wanted = |edge: &Edge| begin(edge, None, edge.head(), NEVER);
    for (round, wait_ms) in [0_u64, 5, 15, 40, 80].into_iter().enumerate() {
        let id = format!("save-{round}");
        kept.write("file", &id);
        kept.ask_save(&id).await;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        kill_serve(&kept).await;
        kept.sandbox.phase(SupervisorPhase::Ready).await;
        for child in engine.children("save") {
            eventually(|| async { (!is_alive(child)).then_some(()) }).await;
        }
        assert!(kept.save_now(&id).await.is_none(), "it is not known any more");
        kept.begun(&wanted(&edge)).await;
        kept.save(&id).await;
        assert_eq!(engine.read(edge.head().unwrap(), "file"), Some(id));
    }
    let published = edge.state().published.clone();
    for pair in published.windows(2) {
        assert_eq!(pair[1].head, Some(pair[0].manifest.snapshot), "the list has no gap");
    }
}
