//! Parts that come in order, out of it, or broken.

use super::*;

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
