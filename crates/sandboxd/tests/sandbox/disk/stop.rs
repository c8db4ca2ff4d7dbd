//! The save of a stop.

use std::io::Read;
use std::time::Duration;

use molt_common::control::SupervisorPhase;
use molt_common::control::snapshot::SaveStage;
use molt_common::snapshot::SaveReason;
use nix::sys::signal::{Signal, kill};
use reqwest::Method;
use serde_json::json;

use super::edge::{Edge, Mode};
use super::engine::Engine;
use super::{Kept, NEVER, begin};
use crate::support::{eventually, is_alive, shell};

#[tokio::test]
async fn a_stop_loses_nothing_and_the_next_boot_has_it_all() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    kept.write("early", "1");
    kept.save("a").await;
    // Written up to the very end, by a command that answers TERM with another file.
    let command = "trap 'echo last > last; exit 0' TERM; touch up; while true; do sleep 0.02; done";
    kept.sandbox.start_exec(&shell("writer", command)).await;
    eventually(|| async { kept.read("up") }).await;
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    let head = edge.head().unwrap();
    assert_eq!(engine.read(head, "last").as_deref(), Some("last\n"));
    assert_eq!(edge.state().published.last().unwrap().reason, SaveReason::Stop);

    let next = Kept::waiting(&engine);
    next.begun(&begin(&edge, Some(head), Some(head), NEVER)).await;
    next.sandbox.phase(SupervisorPhase::Ready).await;
    assert_eq!(
        (next.read("early").as_deref(), next.read("last").as_deref()),
        (Some("1"), Some("last\n"))
    );
    assert_eq!(next.sandbox.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_stop_saves_nothing_when_nothing_changed() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    let (children, head) = kept.unchanged(&engine).await;
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    assert_eq!((engine.children("save").len(), edge.head()), (children, Some(head)));
}

#[tokio::test]
async fn an_older_point_that_was_restored_becomes_the_newest() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let (older, newer) = (engine.make(&[("file", "old")]), engine.make(&[("file", "new")]));
    edge.state().head = Some(newer);
    let kept = Kept::waiting(&engine);
    kept.begun(&begin(&edge, Some(older), Some(newer), NEVER)).await;
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    assert_ne!(edge.head(), Some(newer));
    assert_eq!(engine.read(edge.head().unwrap(), "file").as_deref(), Some("old"));
}

#[tokio::test]
async fn a_save_that_is_under_way_ends_before_the_last_one() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    kept.write("file", "one");
    engine.hold("checking");
    kept.ask_save("a").await;
    // It has read the file: what is written from here on is left for the last one.
    eventually(|| async {
        let view = kept.save_now("a").await;
        view.filter(|view| view.stage == SaveStage::Checking)
    })
    .await;
    kill(kept.sandbox.init_pid(), Signal::SIGTERM).unwrap();
    let status = kept.sandbox.phase(SupervisorPhase::Stopping).await;
    assert_eq!(status.snapshots.unwrap().save.unwrap().id, "a");
    kept.write("file", "two");
    engine.release("checking");
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    let reasons: Vec<SaveReason> = edge.state().published.iter().map(|request| request.reason).collect();
    assert_eq!(reasons, [SaveReason::Request, SaveReason::Stop]);
    assert_eq!(engine.read(edge.head().unwrap(), "file").as_deref(), Some("two"));
}

#[tokio::test]
async fn a_save_that_hangs_does_not_take_the_time_of_the_last_one() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::with(&engine, &["--stop-save-limit-ms", "3000"]);
    kept.begun(&begin(&edge, None, None, NEVER)).await;
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    kept.write("file", "one");
    engine.hold("reading");
    kept.ask_save("a").await;
    let hanging = eventually(|| async { engine.children("save").first().copied() }).await;
    kill(kept.sandbox.init_pid(), Signal::SIGTERM).unwrap();
    eventually(|| async { (!is_alive(hanging)).then_some(()) }).await;
    engine.release("reading");
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    assert_eq!(engine.read(edge.head().unwrap(), "file").as_deref(), Some("one"));
}

#[tokio::test]
async fn a_stop_waits_for_an_edge_that_is_away_and_tells_so() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    edge.mode(Mode::Away);
    kill(kept.sandbox.init_pid(), Signal::SIGTERM).unwrap();
    eventually(|| async { (edge.state().authorizations.len() >= 2).then_some(()) }).await;
    let status = kept.sandbox.status().await;
    let save = status.snapshots.unwrap().save.unwrap();
    assert_eq!(status.phase, SupervisorPhase::Stopping);
    assert_eq!(
        (save.id.as_str(), save.reason, save.stage),
        ("stop", SaveReason::Stop, SaveStage::Publishing)
    );
    edge.mode(Mode::Right);
    // A second TERM does not cut it off.
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    assert_eq!(edge.state().published.len(), 1);
}

#[tokio::test]
async fn a_child_that_is_killed_while_the_sandbox_stops_is_started_again() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    kept.write("file", "one");
    engine.hold("checking");
    kill(kept.sandbox.init_pid(), Signal::SIGTERM).unwrap();
    let child = eventually(|| async { engine.children("save").first().copied() }).await;
    kill(child, Signal::SIGKILL).unwrap();
    eventually(|| async { (engine.children("save").len() == 2).then_some(()) }).await;
    engine.release("checking");
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    assert_eq!(engine.read(edge.head().unwrap(), "file").as_deref(), Some("one"));
}

#[tokio::test]
async fn a_stop_that_gives_up_says_what_is_lost() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::with(&engine, &["--stop-save-limit-ms", "700"]);
    kept.begun(&begin(&edge, None, None, NEVER)).await;
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    kept.save("a").await;
    let safe_until = kept.snapshots().await.safe_until.unwrap();
    kept.write("file", "lost");
    edge.mode(Mode::Away);
    let mut file = kept.sandbox.log_file();
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    let mut log = String::new();
    file.read_to_string(&mut log).unwrap();
    assert!(log.contains("the last save has failed"), "{log}");
    assert!(log.contains(&format!("\"safe_until\":{}", safe_until.0)), "{log}");
}

#[tokio::test]
async fn what_a_command_left_behind_ends_before_the_last_save() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    // A session of its own, deaf to TERM, whose shim is killed so that nobody looks after it.
    let command = "setsid sh -c \"trap '' TERM; while true; do date +%N > clock; done\" > /dev/null 2>&1 & wait";
    kept.sandbox.start_exec(&shell("daemon", command)).await;
    eventually(|| async { kept.read("clock") }).await;
    kill(kept.sandbox.shim_pid(), Signal::SIGKILL).unwrap();
    kept.sandbox.exec_ended("daemon").await;
    let home = kept.sandbox.home();
    let keep = tempfile::tempdir().unwrap();
    engine.hold("checking");
    kill(kept.sandbox.init_pid(), Signal::SIGTERM).unwrap();
    eventually(|| async { (engine.children("save").len() == 1).then_some(()) }).await;
    std::fs::copy(home.join("clock"), keep.path().join("clock")).unwrap();
    engine.release("checking");
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    let last = std::fs::read_to_string(keep.path().join("clock")).unwrap();
    assert_eq!(
        engine.read(edge.head().unwrap(), "clock"),
        Some(last),
        "nothing wrote while it was read"
    );
}

#[tokio::test]
async fn a_serve_without_access_waits_for_it_before_it_ends() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    kept.write("file", "one");
    let killed = kept.sandbox.serve_pid();
    kill(killed, Signal::SIGKILL).unwrap();
    eventually(|| async { (!is_alive(killed)).then_some(()) }).await;
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    kill(kept.sandbox.init_pid(), Signal::SIGTERM).unwrap();
    kept.snapshots_where(|status| {
        status
            .save
            .as_ref()
            .is_some_and(|save| save.id == "stop" && save.error.is_some())
    })
    .await;
    let renewed = json!({ "repository": edge.access("token-2") });
    kept.send(Method::PUT, "/v1/repository", &renewed).await;
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    assert_eq!(engine.read(edge.head().unwrap(), "file").as_deref(), Some("one"));
}

#[tokio::test]
async fn whoever_asks_twice_a_second_is_told_how_the_last_save_ended() {
    let saved = (Mode::Right, "everything on the disk is saved", SaveStage::Done);
    let lost = (Mode::Away, "the last save has failed", SaveStage::Failed);
    for (mode, said, ended) in [saved, lost] {
        let (engine, edge) = (Engine::new(), Edge::new().await);
        let kept = Kept::with(&engine, &["--stop-save-limit-ms", "700"]);
        kept.begun(&begin(&edge, None, None, NEVER)).await;
        kept.sandbox.phase(SupervisorPhase::Ready).await;
        // The edge knows of a publication by itself, so that there is none.
        kept.unchanged(&engine).await;
        if ended == SaveStage::Failed {
            kept.write("file", "lost");
        }
        edge.mode(mode);
        kill(kept.sandbox.init_pid(), Signal::SIGTERM).unwrap();
        eventually(|| async { kept.sandbox.log().contains(said).then_some(()) }).await;
        // The edge has asked just before, and this is its pause.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let save = kept.sandbox.status().await.snapshots.unwrap().save.unwrap();
        assert_eq!((save.id.as_str(), save.stage), ("stop", ended), "{save:?}");
        assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    }
}
