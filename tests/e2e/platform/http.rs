//! HTTP between a client and the agent: nothing is lost, changed or held back on the way.

use e2e_tests::people::User;
use e2e_tests::raw::{self, Raw};
use e2e_tests::sandbox::Seen;
use e2e_tests::stack::Stack;
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn ada(stack: &Stack) -> User {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    ada
}

pub async fn a_stream_arrives_in_pieces(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let apart = Duration::from_millis(400);
    let response = stack.get("/stream?n=4&ms=400").user(&ada).open().await;
    assert_eq!(response.status(), 200);
    let mut stream = response.bytes_stream();
    let (mut text, mut first) = (String::new(), None);
    while let Some(piece) = stream.next().await {
        text.push_str(&String::from_utf8_lossy(&piece.expect("a piece")));
        first.get_or_insert_with(Instant::now);
    }
    assert_eq!(text, "chunk 0\nchunk 1\nchunk 2\nchunk 3\n");
    let spread = first.expect("a first piece").elapsed();
    assert!(
        spread >= 2 * apart,
        "the first piece came only {spread:?} before the end"
    );
}

pub async fn twenty_mebibytes_pass_both_ways_unchanged(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    // A period that no buffer size divides, so that a lost, doubled or moved piece shows.
    let body: Vec<u8> = (0_u32..20 << 20).map(|index| (index % 251) as u8).collect();
    let reply = stack.post("/echo-body").user(&ada).body(body.clone()).send().await;
    reply.expect(200);
    assert_eq!(reply.body.len(), body.len());
    assert!(reply.body == body, "the bytes differ");
}

pub async fn requests_one_after_the_other_are_all_answered(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    // Without a body and with one: what the first leaves behind on its way must not fail the second.
    for length in [0, 1, 60_000] {
        for number in 0..12 {
            let reply = stack
                .post("/echo-body")
                .user(&ada)
                .body(vec![b'x'; length])
                .send()
                .await;
            assert_eq!(reply.status, 200, "{number} of {length} bytes: {}", reply.text());
            assert_eq!(reply.body.len(), length, "{number}");
        }
    }
}

pub async fn path_and_query_pass_as_they_are(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for query in [
        "",
        "?a=1&a=2&&b",
        "?x=%2F%00%ff+%20;y=(){}|^`",
        "?%F0%9F%90%99=%E2%82%AC",
        "?next=//x/../y?z",
    ] {
        let head = format!("GET /echo{query} HTTP/1.1\r\nAuthorization: Bearer {}\r\n", ada.token);
        let reply = raw::exchange(&stack, &head, b"").await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.text());
        let json = serde_json::to_string(&format!("/echo{query}")).expect("JSON");
        assert!(
            reply.text().contains(&format!("\"path\":{json}")),
            "{query}: {}",
            reply.text()
        );
    }
}

pub async fn every_method_passes(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let call = stack.call(method, "/echo").user(&ada);
        let call = if method == "GET" { call } else { call.body("12345") };
        let seen = Seen::from(call.send().await);
        assert_eq!(seen.0["method"], method);
        assert_eq!(seen.0["bodyBytes"], if method == "GET" { 0 } else { 5 }, "{method}");
    }
}

pub async fn head_has_no_body(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let mut raw = Raw::connect(&stack).await;
    // Two requests on one connection: a body after the first would be read as the second's answer.
    let head = |method: &str, last: &str| {
        format!(
            "{method} /echo HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{last}\r\n",
            stack.authority(),
            ada.token
        )
    };
    raw.write(head("HEAD", "").as_bytes()).await;
    assert_eq!(raw.head().await.status, 200);
    raw.write(head("GET", "Connection: close\r\n").as_bytes()).await;
    let second = raw.finish().await;
    assert!(
        second.status == 200 && second.text().contains("\"method\":\"GET\""),
        "{}",
        second.text()
    );
}

pub async fn answers_are_compressed_only_for_those_who_ask(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for path in ["/", "/echo", "/login", "/_molt/assets/page.css"] {
        let plain = stack.get(path).user(&ada).send().await;
        assert_eq!(plain.expect(200).header("content-encoding"), "", "{path}");
        let refusing = stack
            .get(path)
            .user(&ada)
            .header("accept-encoding", "identity")
            .send()
            .await;
        assert_eq!(refusing.expect(200).header("content-encoding"), "", "{path}");
        let asking = stack
            .get(path)
            .user(&ada)
            .header("accept-encoding", "gzip")
            .send()
            .await;
        assert!(
            ["", "gzip"].contains(&asking.expect(200).header("content-encoding")),
            "{path}"
        );
    }
    let seen = Seen::from(stack.get("/echo").user(&ada).send().await);
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    let seen = stack
        .get("/echo")
        .user(&ada)
        .header("accept-encoding", "br;q=0.5, identity")
        .send()
        .await;
    assert_eq!(Seen::from(seen).header("accept-encoding"), Some("br;q=0.5, identity"));
}

pub async fn a_body_is_sent_after_100_continue(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let mut raw = Raw::connect(&stack).await;
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\
         Connection: close\r\n\r\n",
        stack.authority(),
        ada.token
    );
    raw.write(head.as_bytes()).await;
    let interim = raw.head_within(Duration::from_secs(1)).await;
    assert!(
        interim.as_ref().is_none_or(|reply| reply.status == 100),
        "{:?}",
        interim.map(|reply| reply.status)
    );
    raw.write(b"12345").await;
    let reply = raw.finish().await;
    assert!(
        reply.status == 200 && reply.text().contains("\"bodyBytes\":5"),
        "{} {}",
        reply.status,
        reply.text()
    );
}

pub async fn a_chunked_body_passes(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let head = format!(
        "POST /echo HTTP/1.1\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n",
        ada.token
    );
    let reply = raw::exchange(&stack, &head, b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n").await;
    assert!(
        reply.status == 200 && reply.text().contains("\"bodyBytes\":11"),
        "{} {}",
        reply.status,
        reply.text()
    );
}

pub async fn an_unknown_page_is_the_agents_404(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let reply = stack.get("/no/such/page").user(&ada).browser().send().await;
    assert_eq!(reply.json(404)["status"], "not found", "the agent's own words");
    assert_eq!(reply.backend(), "container-gateway");
}

pub async fn cookies_of_the_agent_pass_and_ours_do_not(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for name in ["theme", "sb", "xsb-access-token"] {
        let reply = stack.get(&format!("/set-cookie?name={name}")).user(&ada).send().await;
        assert_eq!(reply.expect(200).all("set-cookie"), [format!("{name}=1; Path=/")]);
    }
    for name in [
        "sb-access-token",
        "SB-Access-Token",
        "__Host-molt-session",
        "__HOST-molt-session",
        "__Secure-anything",
        "molt-login-state",
        // A cookie without a name: browsers send its value alone, so it would come back as ours.
        "=sb-access-token",
    ] {
        let reply = stack.get(&format!("/set-cookie?name={name}")).user(&ada).send().await;
        assert!(
            reply.expect(200).all("set-cookie").is_empty(),
            "the sandbox may set {name:?}"
        );
    }
}
