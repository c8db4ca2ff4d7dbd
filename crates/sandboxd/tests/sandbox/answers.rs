//! Codings, lengths and addresses of answers.

use std::io::Read;
use std::time::{Duration, Instant};

use molt_common::control::header;
use reqwest::{Method, Response, StatusCode};

use crate::support::{Sandbox, eventually};

/// Asks as the edge does for a client with this `Accept-Encoding`.
async fn get(sandbox: &Sandbox, path: &str, coding: &str) -> Response {
    let request = sandbox.proxy_anonymous(Method::GET, path);
    let request = request
        .header(header::USER, crate::support::OWNER)
        .header(header::HOST, "agent.example");
    request
        .header(header::PROTO, "https")
        .header(header::ACCEPT_ENCODING, coding)
        .send()
        .await
        .unwrap()
}

fn value<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn undone(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain).unwrap(),
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap(),
        "zstd" => zstd::stream::read::Decoder::new(body)
            .unwrap()
            .read_to_end(&mut plain)
            .unwrap(),
        _ => std::io::copy(&mut &body[..], &mut plain).unwrap() as usize,
    };
    plain
}

#[tokio::test]
async fn an_answer_is_in_the_coding_that_the_client_likes_best() {
    let sandbox = Sandbox::ready().await;
    let plain = get(&sandbox, "/text?bytes=100000", "identity").await;
    assert_eq!(
        (value(&plain, "content-encoding"), value(&plain, "etag")),
        ("", "\"text\"")
    );
    assert_eq!(
        (value(&plain, "vary"), value(&plain, "content-length")),
        ("Accept-Encoding", "100000")
    );
    let plain = plain.bytes().await.unwrap();
    for (asked, expected) in [
        ("br, gzip, zstd", "br"),
        ("gzip", "gzip"),
        ("zstd;q=0.9, gzip;q=0.8", "zstd"),
        ("deflate", ""),
        ("gzip;q=0, *;q=0", ""),
    ] {
        let answer = get(&sandbox, "/text?bytes=100000", asked).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(value(&answer, "content-encoding"), expected, "{asked}");
        assert_eq!(value(&answer, "vary"), "Accept-Encoding", "{asked}");
        let coded = !expected.is_empty();
        assert_eq!(
            value(&answer, "etag"),
            if coded { "W/\"text\"" } else { "\"text\"" },
            "{asked}"
        );
        assert_eq!(answer.headers().contains_key("accept-ranges"), !coded, "{asked}");
        let body = answer.bytes().await.unwrap();
        assert_eq!(body.len() < 10_000, coded, "{asked}: {} bytes", body.len());
        assert!(undone(expected, &body) == plain, "{asked}");
    }
}

#[tokio::test]
async fn what_must_not_be_coded_is_not() {
    let sandbox = Sandbox::ready().await;
    for path in [
        "/text?bytes=1023",
        "/text?bytes=100000&type=image/png",
        "/text?bytes=100000&cache=no-transform",
        "/text?bytes=100000&type=text/event-stream",
        "/source?bytes=100000",
    ] {
        let answer = get(&sandbox, path, "br, gzip, zstd").await;
        assert_eq!(value(&answer, "content-encoding"), "", "{path}");
    }
    let part = sandbox
        .proxy(Method::GET, "/text?bytes=100000")
        .header("range", "bytes=0-9")
        .header(header::ACCEPT_ENCODING, "gzip");
    assert!(!part.send().await.unwrap().headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn what_the_agent_coded_is_not_coded_again_and_undone_for_who_did_not_ask() {
    let sandbox = Sandbox::ready().await;
    let coded = get(&sandbox, "/text?bytes=5000&coding=gzip", "gzip, br").await;
    assert_eq!(
        (value(&coded, "content-encoding"), value(&coded, "etag")),
        ("gzip", "\"text\"")
    );
    let body = coded.bytes().await.unwrap();
    assert!(body.len() > 5000, "it was coded anew: {} bytes", body.len());
    let plain = undone("gzip", &body);
    assert_eq!(plain.len(), 5000);
    let undone = get(&sandbox, "/text?bytes=5000&coding=gzip", "identity").await;
    assert_eq!(
        (value(&undone, "content-encoding"), value(&undone, "etag")),
        ("", "W/\"text\"")
    );
    assert!(undone.bytes().await.unwrap() == plain);
}

#[tokio::test]
async fn what_is_not_of_the_coding_that_it_states_is_said_to_be_the_agents_fault() {
    let sandbox = Sandbox::ready().await;
    for coding in ["gzip", "br", "zstd", "deflate"] {
        let answer = get(&sandbox, &format!("/headers?content-encoding={coding}"), "identity").await;
        // Not one of those that the edge repeats.
        assert!(!answer.headers().contains_key(header::NOT_READY), "{coding}");
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{coding}");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "agent_answer_unreadable", "{coding}");
    }
}

#[tokio::test]
async fn a_304_names_the_entity_tag_that_the_client_has() {
    let sandbox = Sandbox::ready().await;
    for etag in ["\"text\"", "W/\"text\""] {
        let request = sandbox
            .proxy(Method::GET, "/text?bytes=100000")
            .header("if-none-match", etag);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(
            (value(&answer, "etag"), value(&answer, "vary")),
            (etag, "Accept-Encoding")
        );
    }
}

#[tokio::test]
async fn a_coded_stream_is_not_held_back() {
    let sandbox = Sandbox::ready().await;
    for coding in ["br", "gzip", "zstd"] {
        let mut answer = get(&sandbox, "/stream?n=3&ms=700", coding).await;
        assert_eq!(value(&answer, "content-encoding"), coding);
        let begun = Instant::now();
        let mut body = answer.chunk().await.unwrap().unwrap().to_vec();
        let first = begun.elapsed();
        while let Some(piece) = answer.chunk().await.unwrap() {
            body.extend_from_slice(&piece);
        }
        assert!(
            begun.elapsed() >= first + Duration::from_millis(1000),
            "{coding}: the first piece waited for the last"
        );
        assert_eq!(undone(coding, &body), b"chunk 0\nchunk 1\nchunk 2\n", "{coding}");
    }
}

#[tokio::test]
async fn head_says_what_get_would_say() {
    let sandbox = Sandbox::ready().await;
    let head = sandbox.proxy(Method::HEAD, "/source?bytes=12345").send().await.unwrap();
    assert_eq!(
        (head.status(), value(&head, "content-length"), value(&head, "etag")),
        (StatusCode::OK, "12345", "\"source-12345\"")
    );
    assert!(head.bytes().await.unwrap().is_empty());
    let coded = sandbox.proxy_anonymous(Method::HEAD, "/text?bytes=100000");
    let coded = coded
        .header(header::USER, crate::support::OWNER)
        .header(header::ACCEPT_ENCODING, "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (value(&coded, "content-encoding"), value(&coded, "content-length")),
        ("gzip", "")
    );
    assert!(coded.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn parts_are_parts() {
    let sandbox = Sandbox::ready().await;
    let part = async |range: &str, condition: &str| {
        let request = sandbox.proxy(Method::GET, "/source?bytes=1000").header("range", range);
        let request = if condition.is_empty() {
            request
        } else {
            request.header("if-range", condition)
        };
        let answer = request.send().await.unwrap();
        let head = (answer.status().as_u16(), value(&answer, "content-range").to_owned());
        (head, answer.bytes().await.unwrap())
    };
    let ((status, range), body) = part("bytes=10-19", "").await;
    assert_eq!((status, range.as_str()), (206, "bytes 10-19/1000"));
    assert_eq!(&body[..], (10..20).collect::<Vec<u8>>());
    assert_eq!(part("bytes=10-19", "\"source-1000\"").await.0.0, 206);
    assert_eq!(part("bytes=10-19", "\"other\"").await.1.len(), 1000);
    assert_eq!(part("bytes=2000-", "").await.0, (416, "bytes */1000".to_owned()));
    let ((status, _), body) = part("bytes=0-1,-2", "").await;
    let text = String::from_utf8_lossy(&body);
    assert!(
        status == 206 && text.contains("bytes 0-1/1000") && text.contains("bytes 998-999/1000"),
        "{text}"
    );
}

#[tokio::test]
async fn answers_without_body_have_none() {
    let sandbox = Sandbox::ready().await;
    for code in [204, 304] {
        let answer = sandbox
            .proxy(Method::GET, &format!("/status?code={code}&x-mark=1"))
            .send()
            .await
            .unwrap();
        assert_eq!((answer.status().as_u16(), value(&answer, "x-mark")), (code, "1"));
        assert!(answer.bytes().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn redirects_to_the_agents_own_address_lead_to_the_public_one() {
    let sandbox = Sandbox::ready().await;
    let request = sandbox.proxy(Method::GET, "/status?code=302&location=http://agent.example/next?x");
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = client.execute(request.build().unwrap()).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), value(&answer, "location")),
        (302, "https://agent.example/next?x")
    );
}

#[tokio::test]
async fn an_agent_learns_when_the_client_has_gone() {
    let sandbox = Sandbox::ready().await;
    let tally = async |id: &str| -> serde_json::Value {
        sandbox
            .proxy(Method::GET, &format!("/tally?id={id}"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let mut drip = sandbox.proxy(Method::GET, "/drip?id=drip").send().await.unwrap();
    assert!(drip.chunk().await.unwrap().is_some());
    drop(drip);
    let hold = tokio::spawn(sandbox.proxy(Method::POST, "/hold?id=hold").send());
    eventually(|| async { (tally("hold").await["begun"] == 1).then_some(()) }).await;
    hold.abort();
    for id in ["drip", "hold"] {
        eventually(|| async { (tally(id).await["cancelled"] == 1).then_some(()) }).await;
    }
    eventually(|| async { sandbox.status().await.busy.is_empty().then_some(()) }).await;
}
