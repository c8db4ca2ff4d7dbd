//! Requests that one reader takes for one and another for two.

use e2e_tests::raw::Raw;
use e2e_tests::stack::Stack;
use std::sync::Arc;

pub async fn no_request_hides_in_another(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    // In the name of nobody: admitted it would be only as the tail of a request that was.
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
        (
            "two lengths turned round",
            format!("Content-Length: {length}\r\nContent-Length: 0\r\n\r\n"),
        ),
        ("a sign", "Content-Length: +0\r\n\r\n".to_owned()),
        ("a list", "Content-Length: 0, 0\r\n\r\n".to_owned()),
        (
            "space before the colon",
            "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        ("no chunks", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned()),
        (
            "chunked not last",
            "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        (
            "twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        ("folded", "X: a\r\n Transfer-Encoding: chunked\r\n\r\n".to_owned()),
        (
            "a vertical tab",
            "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        (
            "a long chunk size",
            "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n0\r\n\r\n".to_owned(),
        ),
    ] {
        let head = format!(
            "POST /echo HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{framing}",
            stack.authority(),
            user.token
        );
        let mut raw = Raw::connect(&stack).await;
        raw.write(format!("{head}{hidden}").as_bytes()).await;
        raw.close_writing().await;
        // Whatever it is answered: a reset too.
        let _ = raw.ends_within(std::time::Duration::from_secs(10)).await;
        let tally = stack.get("/tally?id=hidden").user(&user).send().await.json(200);
        assert_eq!(tally["begun"], 0, "{why}");
    }
    // The mark would have been seen.
    stack.post("/mark?id=hidden").user(&user).send().await.expect(200);
    assert_eq!(
        stack.get("/tally?id=hidden").user(&user).send().await.json(200)["begun"],
        1
    );
}
