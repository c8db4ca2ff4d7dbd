//! HTTP that is odd, broken or meant to be read as something else, on either side of the proxy.

use molt_common::control::header;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{OWNER, Sandbox};

#[tokio::test]
async fn odd_answers_of_the_agent_arrive_as_they_are_meant() {
    let sandbox = Sandbox::ready().await;
    for (name, expected) in [
        ("early-hints", "well"),
        ("trailers", "well"),
        ("http10", "until the end"),
        ("http10-length", "well"),
        ("extensions", "well, then"),
        ("both-lengths", "well"),
        ("hop", "well"),
    ] {
        let answer = sandbox
            .proxy(Method::GET, &format!("/raw/{name}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        for hop in [
            "trailer",
            "x-hop",
            "keep-alive",
            "proxy-authenticate",
            "proxy-connection",
            "upgrade",
        ] {
            assert!(!answer.headers().contains_key(hop), "{name}: {hop}");
        }
        assert_eq!(answer.headers().contains_key("x-stays"), name == "hop");
        assert_eq!(answer.text().await.unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn answers_that_are_none_are_said_to_be_the_agents_fault() {
    let sandbox = Sandbox::ready().await;
    for name in ["garbage", "silence", "two-lengths", "switch"] {
        let answer = sandbox
            .proxy(Method::GET, &format!("/raw/{name}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{name}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "agent_broke_off", "{name}");
    }
}

#[tokio::test]
async fn a_body_that_was_cut_does_not_pass_for_whole() {
    let sandbox = Sandbox::ready().await;
    for name in ["cut-length", "cut-chunks"] {
        for coding in ["identity", "gzip"] {
            let request = sandbox.proxy_anonymous(Method::GET, &format!("/raw/{name}"));
            let request = request
                .header(header::USER, OWNER)
                .header(header::ACCEPT_ENCODING, coding);
            // The break may come before the head has left.
            if let Ok(answer) = request.send().await {
                assert_eq!(answer.status(), StatusCode::OK, "{name}");
                assert!(answer.bytes().await.is_err(), "{name} ended well");
            }
        }
    }
}

/// What comes back for these bytes.
async fn exchange(sandbox: &Sandbox, bytes: &str) -> String {
    let mut stream = TcpStream::connect(sandbox.proxy_address("")).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Requests that one reader takes for one and another for two. The second would be `/mark`, in the name of nobody.
#[tokio::test]
async fn no_request_hides_in_another() {
    let sandbox = Sandbox::ready().await;
    let hidden = "POST /mark?id=hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let length = hidden.len();
    for (why, framing) in [
        (
            "length and chunks",
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "chunks and length",
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        (
            "two lengths",
            format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n"),
        ),
        ("odd length", "Content-Length: +0\r\n\r\n".to_owned()),
        ("space before colon", format!("Content-Length : {length}\r\n\r\n")),
        ("odd chunked", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned()),
        (
            "chunked not last",
            "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        ("folded", "X: a\r\n Transfer-Encoding: chunked\r\n\r\n".to_owned()),
        (
            "bare line feed in chunks",
            "Transfer-Encoding: chunked\r\n\r\n0\n\r\n".to_owned(),
        ),
    ] {
        let head = format!(
            "POST /echo HTTP/1.1\r\nHost: x\r\n{}: {OWNER}\r\n{framing}",
            header::USER
        );
        exchange(&sandbox, &format!("{head}{hidden}")).await;
        let tally = sandbox.proxy(Method::GET, "/tally?id=hidden").send().await.unwrap();
        let tally: Value = tally.json().await.unwrap();
        assert_eq!(tally["begun"], 0, "{why}");
    }
}
