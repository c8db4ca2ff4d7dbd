//! Requests that two parsers might read differently.

use super::{Cast, Ledger};
use crate::raw::RawReply;

pub async fn run(ledger: &mut Ledger<'_>, cast: &Cast) {
    let bearer = format!("Authorization: Bearer {}\r\n", cast.ada.token);
    let alone = |reply: &RawReply| match reply.text().matches("HTTP/1.1").count() {
        0 => Ok(()),
        _ => Err("a second answer followed".to_owned()),
    };
    let smuggled = b"0\r\n\r\nGET /api/super/users HTTP/1.1\r\nHost: x\r\n\r\n";
    // 0: the connection is closed without an answer.
    let refused = [0, 400, 401, 404, 405, 408, 411, 413, 414, 431, 501];
    let served = [0, 200, 400, 401, 404, 405, 411, 501];
    let cases = [
        (
            "Content-Length and chunked together",
            format!("POST /echo HTTP/1.1\r\n{bearer}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
            &served[..],
        ),
        (
            "two Content-Lengths",
            format!("POST /echo HTTP/1.1\r\n{bearer}Content-Length: 4\r\nContent-Length: 5\r\n"),
            &refused,
        ),
        (
            "a negative Content-Length",
            format!("POST /echo HTTP/1.1\r\n{bearer}Content-Length: -1\r\n"),
            &refused,
        ),
        (
            "an unknown transfer coding",
            format!("POST /echo HTTP/1.1\r\n{bearer}Transfer-Encoding: xchunked\r\n"),
            &refused,
        ),
        (
            "a space before the colon",
            format!("GET /echo HTTP/1.1\r\n{bearer}X-Molt-User : x\r\n"),
            &served,
        ),
        (
            "a folded header",
            format!("GET /echo HTTP/1.1\r\n{bearer}X-A: b\r\n X-Molt-User: x\r\n"),
            &served,
        ),
        (
            "a request line with three spaces",
            format!("GET  /echo  HTTP/1.1\r\n{bearer}"),
            &served,
        ),
        (
            "HTTP/9.9",
            format!("GET /echo HTTP/9.9\r\n{bearer}"),
            &[0, 200, 400, 401, 404, 505],
        ),
        (
            "another host in the request line",
            format!("GET http://evil.example/api/super/users HTTP/1.1\r\n{bearer}"),
            &[0, 400, 401, 403, 404],
        ),
        // CONNECT and a malformed Host are answered by the server in front of the router, which is another one in production.
        (
            "TRACE",
            format!("TRACE /api/super/users HTTP/1.1\r\n{bearer}"),
            &[0, 400, 401, 404, 405, 501],
        ),
        (
            "a header of 200 KB",
            format!("GET /echo HTTP/1.1\r\n{bearer}X-A: {}\r\n", "a".repeat(200_000)),
            &[0, 200, 400, 413, 431],
        ),
        (
            "5,000 headers",
            format!("GET /echo HTTP/1.1\r\n{bearer}{}", "X-A: b\r\n".repeat(5_000)),
            &[0, 200, 400, 413, 431],
        ),
        (
            "a path of 100 KB",
            format!("GET /{} HTTP/1.1\r\n{bearer}", "a".repeat(100_000)),
            &[0, 400, 404, 414, 431],
        ),
    ];
    for (what, head, expected) in cases {
        let body: &[u8] = if head.starts_with("POST") { smuggled } else { b"" };
        ledger.raw("-", what, expected, &head, body, alone).await;
    }
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let head = format!("GET /api/super/users HTTP/1.1\r\n{bearer}{upgrade}");
    ledger
        .raw(
            "-",
            "an upgrade on the admin API with a user's token",
            &[0, 400, 401, 403],
            &head,
            b"",
            alone,
        )
        .await;
    let head = format!("POST /socket HTTP/1.1\r\n{bearer}{upgrade}Content-Length: 0\r\n");
    ledger
        .raw(
            "-",
            "an upgrade by POST",
            &[0, 200, 400, 404, 405, 426],
            &head,
            b"",
            alone,
        )
        .await;
}
