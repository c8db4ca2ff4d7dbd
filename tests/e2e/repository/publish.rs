//! What a snapshot needs is looked for before it counts.

use e2e_tests::repository::Repository;
use e2e_tests::stack::Stack;
use molt_common::repository_token::Access;
use molt_common::snapshot::ObjectId;
use serde_json::{Value, json};
use std::sync::Arc;

fn request(snapshot: ObjectId, packs: &Value, indexes: &Value) -> Value {
    json!({
        "manifest": {
            "snapshot": snapshot, "tree": ObjectId::of(b"tree"), "parent": null, "takenAt": 1_800_000_000_000_u64,
            "files": 1, "folders": 1, "others": 0, "bytes": 4, "addedBytes": 4, "databases": 0,
            "unreadable": [], "unreadableCount": 0, "packs": packs, "indexes": indexes,
        },
        "reason": "request", "head": null,
    })
}

async fn asked(repository: &Repository<'_>, body: &Value) -> e2e_tests::reply::Reply {
    repository
        .call(Access::Append, "POST", "publish")
        .json(body)
        .send()
        .await
}

pub async fn what_is_not_in_the_bucket_is_not_published(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let pack = repository.store("data", b"pack".to_vec()).await;
    let index = repository.store("index", b"index".to_vec()).await;
    let snapshot = repository.store("snapshots", b"snapshot".to_vec()).await;
    let missing = ObjectId::of(b"nowhere");
    let packs = json!([{"id": pack, "size": 4}]);
    let indexes = json!([{"id": index, "size": 5}]);
    for (body, named) in [
        (request(missing, &packs, &indexes), missing),
        (request(snapshot, &json!([{"id": pack, "size": 5}]), &indexes), pack),
        (
            request(
                snapshot,
                &json!([{"id": pack, "size": 4}, {"id": missing, "size": 1}]),
                &indexes,
            ),
            missing,
        ),
        (request(snapshot, &packs, &json!([{"id": missing, "size": 5}])), missing),
        // An index is no pack.
        (request(snapshot, &json!([{"id": index, "size": 5}]), &indexes), index),
    ] {
        let answer = asked(&repository, &body).await.json(409);
        assert_eq!(answer["answer"], "incomplete", "{answer}");
        assert!(answer["why"].as_str().unwrap().contains(&named.to_string()), "{answer}");
    }
    let nonsense = repository
        .call(Access::Append, "POST", "publish")
        .json(&json!({"manifest": 1}));
    assert_eq!(nonsense.send().await.problem(400, "invalid_request")["field"], "body");
    // Snapshots whose bytes are no longer those of their names.
    let file = repository.file(&snapshot);
    std::fs::write(&file, b"snapshoT").unwrap();
    let answer = asked(&repository, &request(snapshot, &packs, &indexes)).await.json(409);
    assert!(answer["why"].as_str().unwrap().contains("other bytes"), "{answer}");
    std::fs::write(&file, b"snapshot").unwrap();
    // All is there: it is for the object to decide.
    let answer = asked(&repository, &request(snapshot, &packs, &indexes)).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(answer.status != 400 && body["answer"] != "incomplete", "{body}");
}
