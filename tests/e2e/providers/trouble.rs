//! Providers that refuse, break and are not there.

use crate::world::{CHAT, asking, somebody, stub};
use e2e_tests::stack::Stack;
use std::sync::Arc;

pub async fn errors_of_a_provider_arrive_as_they_are(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    for code in [400, 401, 403, 429, 500, 529] {
        let (body, mark) = asking(&format!("status-{code}"));
        let answer = stack.ask_provider(&user, &token, CHAT, &body).await;
        let error = answer.json(code);
        assert_eq!(error["error"]["message"], format!("the stub says {code}"));
        assert_eq!(answer.header("retry-after"), if code == 429 { "7" } else { "" });
        assert_eq!(stub().seen(&mark).len(), 1, "it is asked once");
    }
}

pub async fn a_provider_that_hangs_up_is_seen_to(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    for model in ["broken-100000", "torn"] {
        let (body, _) = asking(model);
        let answer = stack.ask_provider(&user, &token, CHAT, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // The runtime ends a body of unknown length like a whole one, so the stream itself says it.
        let told = answer.body.contains("event: error\ndata: ") && answer.body.contains("provider_broke_off");
        assert!(
            answer.exit != 0 || told,
            "{model}: the answer must not end well: {answer:?}"
        );
        assert!(!answer.body.is_empty(), "what there was has arrived");
    }
    let (body, _) = asking("plain");
    assert_eq!(
        stack.ask_provider(&user, &token, CHAT, &body).await.status,
        200,
        "the next call is served"
    );
}

pub async fn a_provider_that_is_not_there_is_said(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let (body, _) = asking("plain");
    let answer = stack
        .ask_provider(&user, &token, "/silent/v1/chat/completions", &body)
        .await;
    answer.refused(502, "provider_unreachable");
}

pub async fn a_redirect_is_not_followed(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let before = |target: &str| stub().targets().iter().filter(|one| *one == target).count();
    let (body, _) = asking("redirect");
    let answer = stack.ask_provider(&user, &token, CHAT, &body).await;
    answer.refused(502, "provider_redirected");
    assert_eq!(answer.header("location"), "");
    assert_eq!(before("/v1/models/elsewhere"), 0);
}
