//! What holds of all uploads: how many there may be, which of them are the same, what is told about them.

use super::{PATH, answer, code, created, creation, offset, patch, tus};
use crate::support::{Sandbox, eventually};
use reqwest::Method;
use serde_json::Value;

#[tokio::test]
async fn the_same_key_is_the_same_upload() {
    let sandbox = Sandbox::ready().await;
    let keyed = |length| creation(&sandbox, length, "PUT").header("idempotency-key", "k-1");
    let first = keyed(10).send().await.unwrap();
    let second = keyed(10).send().await.unwrap();
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (201, 201));
    assert_eq!(first.headers()["location"], second.headers()["location"]);
    assert_eq!(
        code(keyed(11).send().await.unwrap()).await,
        (422, "idempotency_key_reused".to_owned())
    );
}

#[tokio::test]
async fn there_are_only_so_many_and_they_expire() {
    let sandbox = Sandbox::with(&["--upload-ttl-ms", "4000"]).await;
    for _ in 0..32 {
        created(&sandbox, 10, "PUT").await;
    }
    assert_eq!(
        code(creation(&sandbox, 10, "PUT").send().await.unwrap()).await,
        (429, "too_many_uploads".to_owned())
    );
    eventually(|| async { (creation(&sandbox, 10, "PUT").send().await.unwrap().status() == 201).then_some(()) }).await;
    eventually(|| async {
        let left = std::fs::read_dir(sandbox.state_dir().join("uploads")).unwrap().count();
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_that_is_answered_makes_place_for_another() {
    let sandbox = Sandbox::ready().await;
    let keyed = || creation(&sandbox, 3, "PUT").header("idempotency-key", "k-1");
    let first = keyed().send().await.unwrap();
    let first = first.headers()["location"].to_str().unwrap().to_owned();
    patch(&sandbox, &first, 0, b"abc").send().await.unwrap();
    assert_eq!(answer(&sandbox, &first).await.status(), 200);
    let mut others = Vec::new();
    for _ in 1..32 {
        others.push(created(&sandbox, 10, "PUT").await);
    }
    // Asked for once more it is the same one, and does not make place for itself.
    assert_eq!(keyed().send().await.unwrap().headers()["location"], first);
    others.push(created(&sandbox, 10, "PUT").await);
    assert_eq!(tus(&sandbox, Method::HEAD, &first).send().await.unwrap().status(), 404);
    for other in &others {
        assert_eq!(offset(&sandbox, other).await, 0);
    }
    assert_eq!(
        code(creation(&sandbox, 10, "PUT").send().await.unwrap()).await,
        (429, "too_many_uploads".to_owned())
    );
}

#[tokio::test]
async fn the_protocol_is_told() {
    let sandbox = Sandbox::ready().await;
    let told = sandbox.proxy(Method::OPTIONS, PATH).send().await.unwrap();
    assert_eq!(told.status(), 204);
    assert_eq!(told.headers()["tus-version"], "1.0.0");
    assert_eq!(
        told.headers()["tus-extension"],
        "creation,creation-with-upload,expiration,termination,checksum"
    );
    let whole = creation(&sandbox, 5, "POST")
        .header("content-type", "application/offset+octet-stream")
        .body("12345");
    let whole = whole.send().await.unwrap();
    assert_eq!(
        (whole.status().as_u16(), &whole.headers()["upload-offset"]),
        (201, &"5".parse().unwrap())
    );
    let seen: Value = answer(&sandbox, whole.headers()["location"].to_str().unwrap())
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (seen["method"].as_str(), seen["bytes"].as_u64()),
        (Some("POST"), Some(5))
    );
}
