//! Who first started behind the newest archive: his key went with the platform, and his repository lies in the bucket.

use e2e_tests::bucket::repository;
use e2e_tests::people::User;
use e2e_tests::recovery::{empty_stack, successor};
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use serde_json::json;
use std::time::Duration;

pub async fn whoever_came_after_the_export_is_saved_again() {
    let state = state_dir().expect("a folder");
    let first = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let (file, _) = first.export_control_plane(state.path()).await;
    let bob = first.new_user().await;
    first.awake(&bob).await;
    first.sh(&bob, "echo before > note.txt").await;
    first.backup(&bob).await;
    first.stop().await.assert_clean();

    let next = successor(&first.ready.state_dir);
    let stack = empty_stack(&next).await;
    let before = stack.objects(&repository(&bob));
    assert!(!before.is_empty(), "he was saved");
    stack.restore_control_plane(&file).await.done();
    // Nobody here knows him: he signs up with his first request, as the identity provider's token says.
    let mut claims = stack.claims(&bob.id);
    claims["email"] = json!(format!("{}@example.test", bob.name));
    let bob = User {
        token: stack.sign(&claims),
        ..bob
    };
    stack.awake(&bob).await;
    stack.sh(&bob, "echo after > note.txt").await;
    let snapshot = stack.backup(&bob).await;
    let path = bob.path(&format!("/files/note.txt?source=snapshot&snapshot={snapshot}"));
    let saved = stack.get(&path).admin().send().await.expect(200).text();
    assert_eq!(saved.trim(), "after");
    // What is next is restored from there.
    let asked = stack.post(&bob.path("/destroy")).admin().json(&json!({})).send().await;
    let confirm = asked.problem(409, "confirmation_required")["confirm"].clone();
    let job = stack
        .changed(&bob, "POST", "destroy", &json!({"confirm": confirm}))
        .await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(stack.sh(&bob, "cat note.txt").await.trim(), "after");
    // Of the old one nothing was touched.
    let (all, again) = (repository(&bob), format!("{}again-1/", repository(&bob)));
    let old = stack
        .objects(&all)
        .into_iter()
        .filter(|one| !one.key.starts_with(&again));
    assert_eq!(old.collect::<Vec<_>>(), before);
    assert!(!stack.objects(&again).is_empty());
    until("the operator is told", Duration::from_secs(60), async || {
        let status = stack.get("/api/super/recovery").admin().send().await.json(200);
        (status["begunAgain"] == json!([bob.id])).then_some(())
    })
    .await;
    let told = stack.molt(&["recovery", "status"]).await;
    assert!(told.done().contains(&bob.id), "{told:?}");
    // Both go with him.
    stack.molt(&["users", "remove", &bob.id, "--yes"]).await.done();
    until("nothing is left of him", Duration::from_secs(60), async || {
        stack.objects(&all).is_empty().then_some(())
    })
    .await;
    stack.stop().await.assert_clean();
}
