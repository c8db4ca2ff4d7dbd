//! Uploads in parts.

mod interrupted;
mod parts;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use molt_common::control::SupervisorPhase;
use nix::sys::signal::{Signal, kill};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{OWNER, Sandbox, eventually, is_alive};

const PATH: &str = "/_molt/uploads";

fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)))
        .collect();
    pairs.join(",")
}

fn tus(sandbox: &Sandbox, method: Method, path: &str) -> RequestBuilder {
    sandbox.proxy(method, path).header("tus-resumable", "1.0.0")
}

fn creation(sandbox: &Sandbox, length: u64, method: &str) -> RequestBuilder {
    let stated = metadata(&[
        ("target", "/sink?x=1"),
        ("method", method),
        ("contentType", "image/png"),
    ]);
    tus(sandbox, Method::POST, PATH)
        .header("upload-length", length)
        .header("upload-metadata", stated)
}

async fn created(sandbox: &Sandbox, length: u64, method: &str) -> String {
    let answer = creation(sandbox, length, method).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert!(answer.headers()["upload-expires"].to_str().unwrap().ends_with(" GMT"));
    answer.headers()["location"].to_str().unwrap().to_owned()
}

fn patch(sandbox: &Sandbox, upload: &str, offset: u64, body: &[u8]) -> RequestBuilder {
    tus(sandbox, Method::PATCH, upload)
        .header("upload-offset", offset)
        .header("content-type", "application/offset+octet-stream")
        .body(body.to_vec())
}

async fn offset(sandbox: &Sandbox, upload: &str) -> u64 {
    let answer = tus(sandbox, Method::HEAD, upload).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    answer.headers()["upload-offset"].to_str().unwrap().parse().unwrap()
}

async fn answer(sandbox: &Sandbox, upload: &str) -> Response {
    eventually(|| async {
        let answer = sandbox
            .proxy(Method::GET, &format!("{upload}/answer?wait=10"))
            .send()
            .await
            .unwrap();
        (answer.status() != 202).then_some(answer)
    })
    .await
}

async fn code(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap();
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn digits(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

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
async fn somebody_else_sees_no_upload() {
    let sandbox = Sandbox::ready().await;
    let upload = created(&sandbox, 10, "PUT").await;
    for path in [PATH, upload.as_str()] {
        let foreign = sandbox
            .proxy_anonymous(Method::GET, path)
            .header("x-molt-user", "somebody-else");
        assert_eq!(foreign.send().await.unwrap().status(), 403);
    }
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
