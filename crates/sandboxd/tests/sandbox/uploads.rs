//! Uploads in parts.

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
async fn an_upload_in_parts_is_one_request_to_the_agent() {
    let sandbox = Sandbox::ready().await;
    let data = bytes(1_000_000);
    let upload = created(&sandbox, 1_000_000, "PUT").await;
    for (from, to) in [(0, 400_000), (400_000, 400_000), (400_000, 1_000_000)] {
        assert_eq!(offset(&sandbox, &upload).await, from as u64);
        let part = patch(&sandbox, &upload, from as u64, &data[from..to])
            .send()
            .await
            .unwrap();
        assert_eq!(
            (
                part.status().as_u16(),
                part.headers()["upload-offset"].to_str().unwrap()
            ),
            (204, to.to_string().as_str())
        );
    }
    // Fetched twice: the same both times.
    for _ in 0..2 {
        let answer = answer(&sandbox, &upload).await;
        assert_eq!(answer.status(), 200);
        let seen: Value = answer.json().await.unwrap();
        assert_eq!(
            (seen["bytes"].as_u64(), seen["sha256"].as_str()),
            (Some(1_000_000), Some(digits(&data).as_str()))
        );
        assert_eq!(
            (seen["method"].as_str(), seen["path"].as_str()),
            (Some("PUT"), Some("/sink?x=1"))
        );
        assert_eq!(
            (seen["contentType"].as_str(), seen["length"].as_str()),
            (Some("image/png"), Some("1000000"))
        );
        assert_eq!(seen["requests"], 1);
    }
    // What the agent has need not lie here as well.
    eventually(|| async {
        let folder = sandbox
            .state_dir()
            .join("uploads")
            .join(upload.rsplit('/').next().unwrap());
        (!folder.join("data").exists() && folder.join("answer").exists()).then_some(())
    })
    .await;
    assert_eq!(offset(&sandbox, &upload).await, 1_000_000);
    let again = patch(&sandbox, &upload, 1_000_000, b"").send().await.unwrap();
    assert_eq!(again.status(), 204, "the end, said twice");
    let view: Value = sandbox
        .proxy(Method::GET, &upload)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (view["state"].as_str(), view["answer"]["status"].as_u64()),
        (Some("answered"), Some(200))
    );
    let list: Value = sandbox
        .proxy(Method::GET, PATH)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(list["uploads"], serde_json::json!([view]));
}

#[tokio::test]
async fn parts_that_do_not_fit_change_nothing() {
    let sandbox = Sandbox::ready().await;
    let upload = created(&sandbox, 10, "POST").await;
    assert_eq!(
        patch(&sandbox, &upload, 0, b"12345").send().await.unwrap().status(),
        204
    );
    for (at, body, expected) in [
        (0, &b"12345"[..], (409, "offset_conflict")),
        (6, b"1", (409, "offset_conflict")),
        (5, b"123456", (413, "part_too_long")),
    ] {
        let answer = patch(&sandbox, &upload, at, body).send().await.unwrap();
        assert_eq!(code(answer).await, (expected.0, expected.1.to_owned()));
    }
    for (request, expected) in [
        (
            patch(&sandbox, &upload, 5, b"1").header("upload-checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            (460, "checksum_mismatch"),
        ),
        (
            patch(&sandbox, &upload, 5, b"1").header("upload-checksum", "md5 AAAA"),
            (400, "invalid_request"),
        ),
        (
            patch(&sandbox, &upload, 5, b"1").header("upload-offset", "5"),
            (400, "invalid_request"),
        ),
        (
            patch(&sandbox, &upload, 5, b"1").header("content-type", "text/plain"),
            (400, "invalid_request"),
        ),
        (
            tus(&sandbox, Method::PATCH, &upload)
                .header("upload-offset", 5)
                .body("1"),
            (415, "unsupported_media_type"),
        ),
        (sandbox.proxy(Method::PATCH, &upload), (412, "unsupported_version")),
        (
            sandbox.proxy(Method::GET, &format!("{upload}/answer")),
            (409, "upload_incomplete"),
        ),
        (tus(&sandbox, Method::PUT, &upload), (405, "method_not_allowed")),
        (creation(&sandbox, 1, "GET"), (400, "invalid_request")),
        (creation(&sandbox, 1 << 40, "PUT"), (413, "upload_too_long")),
        (
            tus(&sandbox, Method::POST, PATH).header("upload-length", "1"),
            (400, "invalid_request"),
        ),
        (
            tus(&sandbox, Method::HEAD, &format!("{PATH}/{}", "0".repeat(32))),
            (404, ""),
        ),
        (sandbox.proxy(Method::GET, &format!("{PATH}/x/y")), (404, "not_found")),
    ] {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let told = if expected.1.is_empty() {
            (status, String::new())
        } else {
            code(answer).await
        };
        assert_eq!(told, (expected.0, expected.1.to_owned()));
    }
    assert_eq!(offset(&sandbox, &upload).await, 5);
    let good = STANDARD.encode(Sha256::digest(b"67890"));
    let last = patch(&sandbox, &upload, 5, b"67890").header("upload-checksum", format!("sha256 {good}"));
    assert_eq!(last.send().await.unwrap().status(), 204);
    let seen: Value = answer(&sandbox, &upload).await.json().await.unwrap();
    assert_eq!(seen["sha256"], digits(b"1234567890"));
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_what_came_and_a_stuck_one_gives_way() {
    let sandbox = Sandbox::ready().await;
    let upload = created(&sandbox, 100, "PUT").await;
    let head = format!(
        "PATCH {upload} HTTP/1.1\r\nHost: x\r\nx-molt-user: {OWNER}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: 100\r\n\r\n"
    );
    let mut broken = TcpStream::connect(sandbox.proxy_address("")).await.unwrap();
    broken
        .write_all(format!("{head}{}", "a".repeat(40)).as_bytes())
        .await
        .unwrap();
    eventually(|| async { (sandbox.status().await.now > 0).then_some(()) }).await;
    drop(broken);
    eventually(|| async { (offset(&sandbox, &upload).await == 40).then_some(()) }).await;
    // This one neither goes on nor goes away.
    let mut stuck = TcpStream::connect(sandbox.proxy_address("")).await.unwrap();
    let head = head
        .replace("Upload-Offset: 0", "Upload-Offset: 40")
        .replace("Length: 100", "Length: 60");
    stuck
        .write_all(format!("{head}{}", "a".repeat(30)).as_bytes())
        .await
        .unwrap();
    let there = eventually(|| async {
        let there = offset(&sandbox, &upload).await;
        (there > 40 || stuck.writable().await.is_err()).then_some(there)
    });
    let there = tokio::time::timeout(Duration::from_secs(20), there).await.unwrap();
    assert_eq!(there, 70);
    assert_eq!(
        patch(&sandbox, &upload, 70, "a".repeat(30).as_bytes())
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    let seen: Value = answer(&sandbox, &upload).await.json().await.unwrap();
    assert_eq!(seen["sha256"], digits("a".repeat(100).as_bytes()));
}

#[tokio::test]
async fn uploads_outlive_serve() {
    let sandbox = Sandbox::ready().await;
    let upload = created(&sandbox, 10, "PUT").await;
    assert_eq!(
        patch(&sandbox, &upload, 0, b"12345").send().await.unwrap().status(),
        204
    );
    restart_serve(&sandbox).await;
    assert_eq!(offset(&sandbox, &upload).await, 5);
    assert_eq!(
        patch(&sandbox, &upload, 5, b"67890").send().await.unwrap().status(),
        204
    );
    let first: Value = answer(&sandbox, &upload).await.json().await.unwrap();
    assert_eq!(first["sha256"], digits(b"1234567890"));
    restart_serve(&sandbox).await;
    let second: Value = answer(&sandbox, &upload).await.json().await.unwrap();
    assert_eq!(second, first, "the answer is kept, and nothing is delivered again");
}

async fn restart_serve(sandbox: &Sandbox) {
    let killed = sandbox.serve_pid();
    kill(killed, Signal::SIGKILL).unwrap();
    eventually(|| async { (!is_alive(killed)).then_some(()) }).await;
    sandbox.phase(SupervisorPhase::Ready).await;
}

/// The agent holds the delivery while `serve` is killed: nobody knows how it went.
#[tokio::test]
async fn a_delivery_that_was_cut_is_said_to_be_cut_and_made_again_when_asked() {
    let sandbox = Sandbox::ready().await;
    let stated = metadata(&[("target", "/hold?id=held")]);
    let creation = tus(&sandbox, Method::POST, PATH)
        .header("upload-length", 0)
        .header("upload-metadata", stated);
    let answered = creation.send().await.unwrap();
    assert_eq!(answered.status(), 201);
    let upload = answered.headers()["location"].to_str().unwrap().to_owned();
    let begun = |times: u64| {
        let sandbox = &sandbox;
        eventually(move || async move {
            let tally = sandbox.proxy(Method::GET, "/tally?id=held").send().await.unwrap();
            (tally.json::<Value>().await.unwrap()["begun"] == times).then_some(())
        })
    };
    begun(1).await;
    let waiting = sandbox
        .proxy(Method::GET, &format!("{upload}/answer"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (waiting.status().as_u16(), &waiting.headers()["retry-after"]),
        (202, &"1".parse().unwrap())
    );
    restart_serve(&sandbox).await;
    assert_eq!(
        code(answer(&sandbox, &upload).await).await,
        (502, "delivery_interrupted".to_owned())
    );
    let again = sandbox
        .proxy(Method::POST, &format!("{upload}/delivery"))
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 202);
    begun(2).await;
    // Removing it ends the delivery.
    assert_eq!(
        tus(&sandbox, Method::DELETE, &upload).send().await.unwrap().status(),
        204
    );
    eventually(|| async {
        let tally = sandbox.proxy(Method::GET, "/tally?id=held").send().await.unwrap();
        (tally.json::<Value>().await.unwrap()["cancelled"] == 2).then_some(())
    })
    .await;
    assert_eq!(tus(&sandbox, Method::HEAD, &upload).send().await.unwrap().status(), 404);
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
