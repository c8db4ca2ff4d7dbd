//! Parts, conditions, lengths, addresses and headers of answers.

use e2e_tests::people::User;
use e2e_tests::raw;
use e2e_tests::stack::Stack;
use e2e_tests::transfer;
use std::sync::Arc;

async fn ada(stack: &Stack) -> User {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    ada
}

pub async fn parts_and_conditions_pass(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let part = async |range: &str, condition: &str| {
        let call = stack
            .get("/source?bytes=100000")
            .user(&ada)
            .header("range", range)
            .header("accept-encoding", "gzip");
        let call = if condition.is_empty() {
            call
        } else {
            call.header("if-range", condition)
        };
        call.send().await
    };
    let one = part("bytes=1000-1999", "").await;
    assert_eq!(
        (one.expect(206).header("content-range"), one.header("content-length")),
        ("bytes 1000-1999/100000", "1000")
    );
    assert!(
        one.body
            .iter()
            .enumerate()
            .all(|(at, byte)| *byte == ((at + 1000) % 251) as u8)
    );
    assert_eq!(part("bytes=0-9", "\"source-100000\"").await.expect(206).body.len(), 10);
    assert_eq!(part("bytes=0-9", "\"another\"").await.expect(200).body.len(), 100_000);
    assert_eq!(
        part("bytes=100000-", "").await.expect(416).header("content-range"),
        "bytes */100000"
    );
    let several = part("bytes=0-1,-2", "").await;
    assert!(
        several
            .expect(206)
            .header("content-type")
            .starts_with("multipart/byteranges; boundary=")
    );
    assert!(several.text().contains("bytes 0-1/100000") && several.text().contains("bytes 99998-99999/100000"));
    for etag in ["\"text\"", "W/\"text\""] {
        let reply = stack
            .get("/text?bytes=100000")
            .user(&ada)
            .header("if-none-match", etag)
            .send()
            .await;
        assert_eq!((reply.expect(304).header("etag"), reply.body.len()), (etag, 0));
    }
}

pub async fn answers_without_a_body_have_none(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for code in [204, 205, 304] {
        let reply = stack
            .get(&format!("/status?code={code}&x-mark=1"))
            .user(&ada)
            .send()
            .await;
        assert_eq!((reply.expect(code).header("x-mark"), reply.body.len()), ("1", 0));
    }
    let head = stack.call("HEAD", "/source?bytes=12345").user(&ada).send().await;
    assert_eq!(
        (head.expect(200).header("content-length"), head.body.len()),
        ("12345", 0)
    );
    assert_eq!(head.header("etag"), "\"source-12345\"");
}

pub async fn odd_answers_arrive_as_they_are_meant(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for (name, text) in [
        // The runtime hands on neither interim answers nor trailers; what they came with arrives.
        ("early-hints", "well"),
        ("trailers", "well"),
        ("http10", "until the end"),
        ("http10-length", "well"),
        ("extensions", "well, then"),
        ("both-lengths", "well"),
    ] {
        let reply = stack.get(&format!("/raw/{name}")).user(&ada).send().await;
        assert_eq!(reply.expect(200).text(), text, "{name}");
    }
}

pub async fn addresses_and_cookies_are_those_of_the_client(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let path = "/status?code=302&location=http://127.0.0.1:18789/next?a#b";
    let reply = raw::exchange(
        &stack,
        &format!("GET {path} HTTP/1.1\r\nAuthorization: Bearer {}\r\n", ada.token),
        b"",
    )
    .await;
    assert_eq!(reply.status, 302, "{}", reply.text());
    assert_eq!(reply.header("location"), format!("{}/next?a", stack.ready.url));
    for kept in ["https://other.example/x", "/relative"] {
        let reply = stack
            .get(&format!("/status?code=307&location={kept}"))
            .user(&ada)
            .send()
            .await;
        assert_eq!(reply.expect(307).header("location"), kept);
    }
    let host = stack.authority().split(':').next().expect("a host").to_owned();
    let cookies = format!(
        "/headers?set-cookie=a=1&set-cookie=b=2;Domain={host}&set-cookie=c=3;Domain=other.example&set-cookie=sb-access-token=4"
    );
    let reply = stack.get(&cookies).user(&ada).send().await;
    assert_eq!(reply.expect(200).all("set-cookie"), ["a=1", "b=2"]);
}

pub async fn headers_of_one_connection_stay_on_it(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let reply = stack.get("/raw/hop").user(&ada).send().await;
    assert_eq!(reply.expect(200).header("x-stays"), "1");
    for hop in [
        "x-hop",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "upgrade",
        "trailer",
    ] {
        assert_eq!(reply.header(hop), "", "{hop}");
    }
    let head = format!(
        "GET /echo HTTP/1.1\r\nAuthorization: Bearer {}\r\nTE: trailers\r\nProxy-Authorization: Basic eA==\r\nKeep-Alive: timeout=5\r\nX-Stays: 1\r\n",
        ada.token
    );
    let seen = raw::exchange(&stack, &head, b"").await;
    assert_eq!(seen.status, 200);
    let text = seen.text().to_ascii_lowercase();
    assert!(text.contains("x-stays"), "{text}");
    for hop in [
        "\"te\"",
        "proxy-authorization",
        "keep-alive",
        "\"connection\"",
        "\"expect\"",
    ] {
        assert!(!text.contains(hop), "{hop}: {text}");
    }
}

pub async fn an_upload_by_plain_curl_with_expect_passes(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let sent = transfer::file(3 * transfer::MIB);
    let path = sent.path().to_string_lossy().into_owned();
    let url = format!("{}/sink", stack.ready.url);
    let seen = transfer::curl(
        &ada,
        &["--header", "Expect: 100-continue", "--upload-file", &path, &url],
    )
    .await;
    let seen: serde_json::Value = serde_json::from_slice(&seen).expect("JSON");
    assert_eq!(
        (seen["bytes"].as_u64(), seen["method"].as_str()),
        (Some(3 * transfer::MIB), Some("PUT"))
    );
    assert_eq!(seen["sha256"], transfer::digits(sent.path()));
}
