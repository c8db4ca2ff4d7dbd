//! What cannot be caught: a trap ends the instance of the module. The requests in it are lost; the worker and what is stored are not.

use crate::one_request::HEADER;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
/// The runtime never answers for an object whose instance has ended; nobody waits for that longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

pub async fn after_a_trap_the_worker_serves_again_and_nothing_stored_is_lost(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    let generation = stack.generation(&ada).await;
    let mut socket = stack.socket(&ada).await;
    for place in ["router", "gateway", "sandbox", "admin"] {
        for kind in ["trap", "stack"] {
            let path = if place == "admin" { "/api/super/users" } else { "/echo" };
            // Whether and how this one is answered is the runtime's business, except that it is no success.
            let asked = stack
                .get(path)
                .user(&ada)
                .admin()
                .header(HEADER, &format!("{place}/{kind}"));
            let answer = asked.attempt_any(ANSWER_LIMIT).await;
            assert!(answer.is_none_or(|status| status >= 500), "{place}/{kind}: {answer:?}");
            until("the worker serves again", LIMIT, async || {
                let users = stack.get("/api/super/users").admin().attempt_any(LIMIT).await;
                let echo = stack.get("/echo").user(&ada).attempt_any(LIMIT).await;
                (users == Some(200) && echo == Some(200)).then_some(())
            })
            .await;
            socket.echoes(&format!("after {place}/{kind}")).await;
        }
    }
    assert_eq!(stack.generation(&ada).await, generation, "the sandbox was started anew");
    let after = stack.exec(&ada, &json!({"command": "echo after"})).await;
    assert_eq!(after["stdout"], "after\n", "{after}");
}
