//! Uploads in parts.

mod interrupted;
mod parts;
mod room;

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
