//! Saves while the agent runs.

use molt_common::control::snapshot::SaveStage;
use molt_common::snapshot::{PublishAnswer, SaveReason};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::edge::{Edge, KEY, Mode};
use super::engine::Engine;
use super::{Kept, NEVER};
use crate::support::{cmdline, error_of, eventually, is_alive};

#[tokio::test]
async fn what_changes_is_saved_and_what_does_not_makes_no_work() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, 200).await;
    kept.write("file", "one");
    // What was written just before a save shows as a change once more: a look after it tells that all is saved.
    let taken = |edge: &Edge| edge.state().published.last().map(|request| request.manifest.taken_at);
    let first = kept
        .snapshots_where(|status| {
            // The first may have been taken before there was a file.
            let holds = status.head.is_some_and(|head| engine.read(head, "file").is_some());
            holds && !status.changed && status.safe_until > taken(&edge)
        })
        .await;
    let head = edge.head().unwrap();
    assert_eq!(
        (first.head, engine.read(head, "file").as_deref()),
        (Some(head), Some("one"))
    );
    assert_eq!(edge.state().published[0].reason, SaveReason::Interval);
    let children = engine.children("save").len();
    // Several looks later.
    let safe = first.safe_until.unwrap();
    kept.snapshots_where(|status| !status.changed && status.safe_until.unwrap().0 > safe.0 + 1_000)
        .await;
    assert_eq!(
        engine.children("save").len(),
        children,
        "nothing changed, so nothing was done"
    );
    kept.write("file", "two");
    kept.snapshots_where(|status| status.changed).await;
    eventually(|| async { (engine.read(edge.head()?, "file")? == "two").then_some(()) }).await;
    let parent = &engine.order()["work"]["parent"];
    assert_eq!(*parent, json!(head), "each is taken on top of the one before");
}

#[tokio::test]
async fn one_that_is_asked_for_is_taken_once() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    kept.write("file", "one");
    engine.hold("reading");
    kept.ask_save("a").await;
    let view = eventually(|| async { kept.save_now("a").await.filter(|view| view.bytes == 2) }).await;
    assert_eq!((view.stage, view.files), (SaveStage::Reading, 1));
    kept.ask_save("a").await;
    let other = json!({ "id": "b", "reason": "before_stop" });
    let (status, error) = error_of(kept.send(Method::POST, "/v1/save", &other).await).await;
    assert_eq!((status, error.code.as_str()), (StatusCode::CONFLICT, "conflict"));
    engine.release("reading");
    let view = kept.saved("a").await;
    assert_eq!((view.stage, view.reason), (SaveStage::Done, SaveReason::Request));
    assert_eq!(view.answer, Some(PublishAnswer::Published { sequence: 1 }));
    assert_eq!(
        (view.manifest.unwrap().snapshot, view.snapshot),
        (edge.head().unwrap(), edge.head())
    );
    let work = engine.order()["work"].clone();
    assert_eq!(
        work["tags"],
        json!(["sandbox:sb-test", "generation:3", "reason:request"])
    );
    assert_eq!(engine.children("save").len(), 1);

    let published = edge.state().published.len();
    let (children, head) = kept.unchanged(&engine).await;
    let unchanged = kept.save_now(&format!("until-unchanged-{children}")).await.unwrap();
    assert_eq!((unchanged.stage, unchanged.snapshot), (SaveStage::Done, Some(head)));
    assert_eq!(unchanged.manifest.unwrap().added_bytes, 0);
    assert_eq!(edge.state().published.len(), published);
    let unknown = kept.sandbox.control(Method::GET, "/v1/save/none").send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn no_secret_is_where_others_can_read_it() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    engine.hold("reading");
    kept.ask_save("a").await;
    let child = eventually(|| async { engine.children("save").first().copied() }).await;
    let environment = std::fs::read_to_string(format!("/proc/{child}/environ")).unwrap();
    for secret in ["token-1", KEY] {
        assert!(engine.order().to_string().contains(secret), "it has them by its input");
        for text in [cmdline(child), environment.clone(), kept.sandbox.log()] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    engine.release("reading");
    kept.saved("a").await;
    let noted = std::fs::read_to_string(kept.sandbox.state_dir().join("run/disk.json")).unwrap();
    assert!(noted.contains(&edge.head().unwrap().to_string()));
    for secret in ["token-1", KEY] {
        assert!(!noted.contains(secret) && !kept.sandbox.log().contains(secret));
    }
}

#[tokio::test]
async fn each_answer_of_the_edge_means_what_it_says() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    let other = engine.make(&[("of", "somebody else")]);
    let answers: [(Value, &str); 3] = [
        (json!({ "answer": "quarantined", "why": "it shrank" }), "it shrank"),
        (
            json!({ "answer": "incomplete", "why": "pack 9 is missing" }),
            "pack 9 is missing",
        ),
        (json!({ "answer": "head_moved", "head": other }), "another snapshot"),
    ];
    for (number, (answer, words)) in answers.into_iter().enumerate() {
        edge.mode(Mode::Says(409, answer.clone()));
        let id = format!("bad-{number}");
        kept.ask_save(&id).await;
        let view = kept.saved(&id).await;
        assert_eq!(view.stage, SaveStage::Failed, "{answer}");
        assert!(view.error.unwrap().contains(words), "{answer}");
        assert_eq!(serde_json::to_value(view.answer).unwrap(), answer);
        assert!(kept.snapshots().await.changed, "{answer}");
    }
    edge.mode(Mode::Says(401, json!(null)));
    kept.ask_save("refused").await;
    assert!(kept.saved("refused").await.error.unwrap().contains("token"));
    // On top of what moved meanwhile.
    edge.mode(Mode::Right);
    edge.state().head = Some(other);
    kept.save("good").await;
    assert_eq!(edge.state().published[0].head, Some(other));

    kept.write("file", "more");
    edge.mode(Mode::Says(409, json!({ "answer": "generation_over", "generation": 9 })));
    kept.ask_save("over").await;
    assert!(kept.saved("over").await.error.unwrap().contains("generation 9"));
    edge.mode(Mode::Right);
    let again = json!({ "id": "after", "reason": "request" });
    let (status, error) = error_of(kept.send(Method::POST, "/v1/save", &again).await).await;
    assert_eq!(status, StatusCode::CONFLICT, "{error:?}");
    let children = engine.children("save").len();
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    assert_eq!(
        (engine.children("save").len(), edge.state().published.len()),
        (children, 1)
    );
}

#[tokio::test]
async fn an_edge_that_is_away_is_asked_until_it_answers() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    for (number, mode) in [Mode::Away, Mode::Says(503, json!(null)), Mode::LosesAnswer]
        .into_iter()
        .enumerate()
    {
        kept.write("file", &number.to_string());
        edge.state().authorizations.clear();
        edge.mode(mode);
        let id = format!("save-{number}");
        kept.ask_save(&id).await;
        eventually(|| async { (edge.state().authorizations.len() >= 2).then_some(()) }).await;
        assert_eq!(kept.save_now(&id).await.unwrap().stage, SaveStage::Publishing);
        edge.mode(Mode::Right);
        assert_eq!(kept.saved(&id).await.stage, SaveStage::Done);
        assert_eq!(edge.state().published.len(), number + 1, "published once");
    }
}

#[tokio::test]
async fn a_new_token_is_used_from_then_on() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    let renewed = json!({ "repository": edge.access("token-2") });
    let answer = kept.send(Method::PUT, "/v1/repository", &renewed).await;
    assert_eq!(answer.status(), StatusCode::OK);
    kept.save("a").await;
    assert_eq!(edge.state().authorizations, ["Bearer token-2"]);
    assert_eq!(engine.order()["repository"]["token"], "token-2");
    let broken = json!({ "repository": { "url": "ftp://x/", "token": "t", "key": "k", "until": 1 } });
    let (status, error) = error_of(kept.send(Method::PUT, "/v1/repository", &broken).await).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(error.error.starts_with("repository.url"), "{error:?}");
}

#[tokio::test]
async fn upkeep_and_saves_are_done_one_after_the_other() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    engine.hold("upkeep");
    let prune = json!({ "id": "p", "work": { "kind": "prune", "keep": [] }, "repository": edge.access("full") });
    let answer = kept.send(Method::POST, "/v1/upkeep", &prune).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    eventually(|| async { (engine.children("upkeep").len() == 1).then_some(()) }).await;
    kept.ask_save("a").await;
    let mut second = prune.clone();
    second["id"] = json!("q");
    let (status, error) = error_of(kept.send(Method::POST, "/v1/upkeep", &second).await).await;
    assert_eq!((status, error.code.as_str()), (StatusCode::CONFLICT, "conflict"));
    assert_eq!(engine.order()["repository"]["token"], "full");
    assert!(engine.children("save").is_empty());
    engine.release("upkeep");
    assert_eq!(kept.saved("a").await.stage, SaveStage::Done);
    let view = kept.upkept("p").await;
    assert_eq!((view.error, view.removed_bytes), (None, 5));
}

#[tokio::test]
async fn a_prune_leaves_what_its_list_cannot_know_and_no_more() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    let mut saved = Vec::new();
    for name in ["a", "b", "c", "d"] {
        kept.write("file", name);
        saved.push(kept.save(name).await);
    }
    let newest = [saved[3]];
    // By a list that was made before any, before the last, and since; an older one is decided already.
    for (number, (listed, left)) in [
        (&[][..], &saved[..]),
        (&saved[1..3], &saved[1..]),
        (&newest[..], &newest[..]),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("prune-{number}");
        kept.ask_upkeep(&edge, &id, json!({ "kind": "prune", "keep": listed }))
            .await;
        assert_eq!(kept.upkept(&id).await.error, None);
        assert_eq!(engine.pruned_all_but(), left.iter().copied().collect(), "{id}");
    }
}

#[tokio::test]
async fn upkeep_gives_way_to_the_save_before_a_stop() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, NEVER).await;
    engine.hold("upkeep");
    let works = [
        json!({ "kind": "prune", "keep": [] }),
        json!({ "kind": "restore_path", "snapshot": "1".repeat(64), "path": "file", "to": null }),
    ];
    for (number, work) in works.iter().enumerate() {
        let (upkeep, save) = (format!("upkeep-{number}"), format!("save-{number}"));
        kept.write("file", &save);
        kept.ask_upkeep(&edge, &upkeep, work.clone()).await;
        let child = eventually(|| async { engine.children("upkeep").get(number).copied() }).await;
        let before_stop = json!({ "id": save, "reason": "before_stop" });
        let answer = kept.send(Method::POST, "/v1/save", &before_stop).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        assert_eq!(kept.saved(&save).await.stage, SaveStage::Done);
        assert!(!is_alive(child), "one thing at a time");
        let error = kept.upkept(&upkeep).await.error.unwrap();
        assert!(error.contains("gave way"), "{error}");
    }
    engine.release("upkeep");
    kept.ask_upkeep(&edge, "again", works[0].clone()).await;
    assert_eq!(kept.upkept("again").await.error, None);
}

#[tokio::test]
async fn what_changes_is_saved_however_long_upkeep_takes() {
    let (engine, edge) = (Engine::new(), Edge::new().await);
    let kept = Kept::fresh(&engine, &edge, 200).await;
    kept.write("file", "before");
    eventually(|| async { (engine.read(edge.head()?, "file")? == "before").then_some(()) }).await;
    engine.hold("upkeep");
    let verify = json!({ "kind": "verify", "snapshot": edge.head().unwrap(), "full": true });
    kept.ask_upkeep(&edge, "verify", verify).await;
    eventually(|| async { (engine.children("upkeep").len() == 1).then_some(()) }).await;
    kept.write("file", "meanwhile");
    eventually(|| async { (engine.read(edge.head()?, "file")? == "meanwhile").then_some(()) }).await;
    let error = kept.upkept("verify").await.error.unwrap();
    assert!(error.contains("gave way"), "{error}");
}
