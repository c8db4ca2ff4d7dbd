//! Budgets: how many calls get through, and what is said of them.

use crate::world::{budget, cost_that, limit, stub};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const MOST: u32 = 20;

pub async fn a_budget_of_n_admits_exactly_n(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    limit(&stack, &user, &json!({"requestsPerDay": MOST})).await;
    let statuses = stack.chats_at_once(&user, "openai", 3 * MOST).await;
    assert_eq!(statuses.get(&200), Some(&MOST), "{statuses:?}");
    assert_eq!(statuses.get(&402), Some(&(2 * MOST)), "{statuses:?}");
    assert_eq!(stub().seen(&user.id).len(), 20);
    let standing = budget(&stack, &user).await;
    assert_eq!(standing["used"]["requestsToday"], MOST, "{standing}");
    let warning = standing["warning"].as_str().unwrap_or_default();
    assert!(warning.starts_with("20 of 20 requests of today"), "{standing}");
}

pub async fn what_is_nearly_used_up_is_warned_of_and_then_refused(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let set = limit(&stack, &user, &json!({"requestsPerDay": 3, "warnAtPercent": 60})).await;
    assert_eq!(set["budget"], json!({"requestsPerDay": 3, "warnAtPercent": 60}));
    let warning = async || {
        let answered = stack.chat(&user, "openai", "plain").await;
        assert_eq!(answered.status, 200, "{answered:?}");
        answered.header("x-molt-budget-warning").to_owned()
    };
    assert_eq!(warning().await, "");
    for used in ["2 of 3", "3 of 3"] {
        let said = warning().await;
        assert!(said.starts_with(&format!("{used} requests of today")), "{said}");
    }
    let refused = stack.chat(&user, "openai", "plain").await;
    refused.refused(402, "budget_exhausted");
    let said = refused.json(402);
    assert_eq!(said["field"], "requestsPerDay");
    let detail = said["detail"].as_str().unwrap_or_default();
    let resets = set["dayResetsAt"].as_str().expect("a time");
    assert!(
        detail.contains("3 of 3 requests of today") && detail.contains(resets),
        "{detail}"
    );
    let after: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!(0 < after && after <= 86_400, "{after}");

    // More is more from the next call on, and none is no limit.
    limit(&stack, &user, &json!({"requestsPerDay": 4})).await;
    assert_eq!(stack.chat(&user, "openai", "plain").await.status, 200);
    assert_eq!(stack.chat(&user, "openai", "plain").await.status, 402);
    let cleared = stack
        .call("DELETE", &user.path("/budget"))
        .admin()
        .send()
        .await
        .json(200);
    assert_eq!((&cleared["budget"], &cleared["warning"]), (&json!(null), &json!(null)));
    assert_eq!(stack.chat(&user, "openai", "plain").await.status, 200);
    let query = format!(
        "SELECT detail FROM audit WHERE chain = 'sandbox:{}' AND action = 'budget.set' ORDER BY seq",
        user.id
    );
    let noted = until("the changes are in the trail", Duration::from_secs(30), async || {
        let rows = stack.sql(&query).await;
        (rows.len() == 3).then_some(rows)
    });
    let last = noted.await.pop().expect("three entries")["detail"].to_string();
    assert!(last.contains("before") && last.contains("requestsPerDay"), "{last}");
}

pub async fn tokens_are_limited_too(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    // An answer of the stub states 34 tokens: a call that begins below the limit is finished.
    limit(&stack, &user, &json!({"tokensPerDay": 35, "tokensPerMonth": 1_000_000})).await;
    for _ in 0..2 {
        assert_eq!(stack.chat(&user, "openai", "plain").await.status, 200);
        let before = budget(&stack, &user).await["used"]["requestsToday"]
            .as_u64()
            .expect("a number");
        // The end of a call is told behind its answer.
        until("the end is told", Duration::from_secs(20), async || {
            let used = budget(&stack, &user).await;
            (used["used"]["tokensToday"] == 34 * before).then_some(())
        })
        .await;
    }
    let refused = stack.chat(&user, "openai", "plain").await;
    let said = refused.json(402);
    assert_eq!(said["field"], "tokensPerDay");
    let detail = said["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("68 of 35 tokens of today"), "{detail}");
    assert_eq!(budget(&stack, &user).await["used"]["tokensThisMonth"], 68);
}

pub async fn a_suspended_users_agent_asks_nobody(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let token = stack.provider_token(&user).await;
    // It asks until it is told something else; operators' commands are not the user's.
    let command = "status=200; while [ \"$status\" = 200 ]; do sleep 0.2; status=$(curl -sS -m 20 -o /tmp/said -w '%{http_code}' \
                   -H \"Authorization: Bearer $TOKEN\" -H 'content-type: application/json' -d '{\"model\": \"plain\"}' \
                   http://providers.molt.internal/_molt/providers/openai/v1/chat/completions); done; cat /tmp/said";
    let accepted = stack
        .submit(
            &user,
            &json!({"command": command, "env": {"TOKEN": token}, "timeoutMs": 90_000}),
        )
        .await;
    cost_that(&stack, &user, "it asks", |cost| {
        !cost["days"].as_array().expect("days").is_empty()
    })
    .await;
    let reason = json!({"reason": "a test"});
    let suspended = stack.post(&user.path("/suspend")).admin().json(&reason).send().await;
    suspended.expect(200);
    let ended = stack.outcome(&accepted).await;
    let said = ended["stdout"].as_str().unwrap_or_default();
    // His sandbox is stopped as well, and with it what asks in it: whichever comes first.
    if !said.contains("user_suspended") {
        assert_ne!(ended["state"], "succeeded", "{ended}");
        stack.engine.none(&user).await;
    }
}
