//! One key, one run: however many ask at the same time.

use e2e_tests::harness::Group;
use e2e_tests::people::User;
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use futures_util::future::join_all;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const AT_ONCE: usize = 50;

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![
        group.shared(
            "once::fifty_at_once_under_one_key_run_once",
            fifty_at_once_under_one_key_run_once,
        ),
        group.shared(
            "once::of_different_bodies_under_one_key_one_wins",
            of_different_bodies_under_one_key_one_wins,
        ),
    ]
}

async fn submit(stack: &Stack, user: &User, key: &str, body: &Value) -> Reply {
    let call = stack.post(&user.path("/exec")).admin().header("idempotency-key", key);
    call.json(body).send().await
}

fn ids(replies: &[Reply]) -> BTreeSet<String> {
    let id = |reply: &Reply| reply.json(202)["execId"].as_str().expect("an id").to_owned();
    replies.iter().map(id).collect()
}

async fn fifty_at_once_under_one_key_run_once(stack: Arc<Stack>) {
    // A sandbox that does not run yet: its start is the time in which a second run would slip in.
    let (user, other) = (stack.new_user().await, stack.seeded("Ben"));
    let key = format!("once-{}", uuid::Uuid::new_v4());
    let body = json!({"command": "echo ran >> ~/runs; cat ~/runs"});
    let replies = join_all((0..AT_ONCE).map(|_| submit(&stack, &user, &key, &body))).await;
    let ids = ids(&replies);
    assert_eq!(ids.len(), 1, "one key, one exec: {ids:?}");
    let first = stack.outcome(&replies[0].json(202)).await;
    assert_eq!(
        (&first["state"], &first["stdout"]),
        (&json!("succeeded"), &json!("ran\n")),
        "{first}"
    );

    let changed = json!({"command": "echo ran >> ~/runs; cat ~/runs "});
    let refused = submit(&stack, &user, &key, &changed).await;
    refused.problem(422, "idempotency_key_reused");
    // The key is the caller's word within one sandbox, not a name for all of them.
    let elsewhere = submit(&stack, &other, &key, &json!({"command": "echo mine"}))
        .await
        .json(202);
    assert!(
        !ids.contains(elsewhere["execId"].as_str().expect("an id")),
        "{elsewhere}"
    );
    assert_eq!(stack.outcome(&elsewhere).await["stdout"], "mine\n");
    // Side effects of a run that nobody was told of would be here by now.
    assert_eq!(stack.sh(&user, "wc -l < ~/runs").await.trim(), "1");
}

async fn of_different_bodies_under_one_key_one_wins(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let key = format!("once-{}", uuid::Uuid::new_v4());
    let bodies: Vec<Value> = (0..10)
        .map(|number| json!({"command": format!("echo {number} >> ~/runs")}))
        .collect();
    let replies = join_all(bodies.iter().map(|body| submit(&stack, &user, &key, body))).await;
    let (accepted, refused): (Vec<Reply>, Vec<Reply>) = replies.into_iter().partition(|reply| reply.status == 202);
    assert_eq!(accepted.len(), 1, "one of them is accepted");
    for reply in refused {
        reply.problem(422, "idempotency_key_reused");
    }
    let winner = accepted[0].json(202);
    assert_eq!(stack.outcome(&winner).await["state"], "succeeded");
    let ran = format!("echo {} >> ~/runs", stack.sh(&user, "cat ~/runs").await.trim());
    assert_eq!(winner["command"], ran);
}
