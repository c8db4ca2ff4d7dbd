//! How exchanges end: by the client, by the agent, by an error; and long ones.

use e2e_tests::raw::Raw;
use e2e_tests::stack::Stack;
use e2e_tests::transfer::{MIB, there_and_back};
use e2e_tests::wait::until;
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;

/// «Within seconds».
const SOON: Duration = Duration::from_secs(5);

pub async fn a_client_that_goes_away_ends_the_agents_work(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let response = stack.get("/drip?id=gone").user(&user).open().await;
    let mut stream = response.bytes_stream();
    assert!(stream.next().await.is_some_and(|piece| piece.is_ok()));
    drop(stream);
    let cancelled = async || {
        let tally = stack.get("/tally?id=gone").user(&user).send().await.json(200);
        (tally["cancelled"] == 1).then_some(())
    };
    until("the agent learns that the client has gone", SOON, cancelled).await;
}

pub async fn a_body_that_the_agent_cut_does_not_pass_for_whole(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    for name in ["cut-length", "cut-chunks"] {
        let head = format!(
            "GET /raw/{name} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            stack.authority(),
            user.token
        );
        let mut raw = Raw::connect(&stack).await;
        raw.write(head.as_bytes()).await;
        let reply = raw.finish().await;
        // The development server in front of the router may still turn a break into an error when it has sent nothing yet.
        let chunked = reply.header("transfer-encoding") == "chunked";
        let whole = if chunked {
            reply.rest.ends_with(b"0\r\n\r\n")
        } else {
            reply.header("content-length").parse() == Ok(reply.rest.len())
        };
        assert!(
            reply.status >= 500 || !whole,
            "{name}: {} {:?}",
            reply.status,
            reply.text()
        );
    }
}

pub async fn errors_are_problems_or_pages(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    // The agent's own answer passes as it is.
    let nothing = stack.post("/nothing-is-there").user(&user);
    assert_eq!(nothing.send().await.json(404)["status"], "not found");
    // What was sent may have been taken: it is not sent again, and the answer says so at once.
    let sent = stack.post("/raw/silence").user(&user);
    sent.send().await.problem(502, "agent_broke_off");
    for name in ["silence", "garbage", "two-lengths", "switch"] {
        let path = format!("/raw/{name}");
        stack
            .get(&path)
            .user(&user)
            .send()
            .await
            .problem(502, "agent_broke_off");
        let page = stack.get(&path).user(&user).browser().send().await;
        page.expect(502);
        assert!(page.header("content-type").starts_with("text/html"), "{name}");
        assert!(
            page.text().contains("closed the connection") && page.text().contains(page.request_id()),
            "{}",
            page.text()
        );
        assert!(
            page.header("content-security-policy").contains("default-src 'none'"),
            "{name}"
        );
    }
}

pub async fn sixty_four_mebibytes_pass_in_flat_memory(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    there_and_back(&stack, &user, 64 * MIB).await;
}
