//! Changes as jobs: keys, scopes, disks, confirmation.

use e2e_tests::jobs::path;
use e2e_tests::stack::Stack;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

async fn restarts(stack: &Stack, user: &e2e_tests::people::User) -> u64 {
    let state = stack.get(&user.path("/state?probe=1")).admin().send().await.json(200);
    state["probe"]["agentRestarts"]
        .as_u64()
        .unwrap_or_else(|| panic!("{state}"))
}

pub async fn a_restart_is_a_job_and_one_key_is_one_restart(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let before = restarts(&stack, &user).await;
    let key = format!("restart-{}", uuid::Uuid::new_v4());
    let submit = async |body: &Value| {
        let call = stack
            .post(&user.path("/restart"))
            .admin()
            .header("idempotency-key", &key);
        call.json(body).send().await
    };
    let plain = json!({});
    let replies = join_all((0..10).map(|_| submit(&plain))).await;
    let jobs: BTreeSet<String> = replies
        .iter()
        .map(|reply| reply.json(202)["jobId"].to_string())
        .collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let id = replies[0].json(202)["jobId"].as_str().expect("an id").to_owned();
    let ended = stack.job_ends(&id).await;
    assert_eq!(
        (&ended["state"], &ended["title"], &ended["userId"], &ended["error"]),
        (
            &json!("succeeded"),
            &json!("restart agent"),
            &json!(user.id),
            &Value::Null
        ),
        "{ended}"
    );
    assert_eq!(
        submit(&plain).await.json(202)["state"],
        "succeeded",
        "also after the end"
    );
    let other = json!({"scope": "sandbox", "discardDisk": true});
    submit(&other).await.problem(422, "idempotency_key_reused");
    assert_eq!(restarts(&stack, &user).await, before + 1);
    assert_eq!(stack.generation(&user).await, 1, "the container stayed");
    let unknown = format!("lifecycle.{}.never", user.id);
    stack
        .get(&path(&unknown))
        .admin()
        .send()
        .await
        .problem(404, "unknown_job");
    let old = stack.changed(&user, "POST", "restart-async", &json!({})).await;
    assert_eq!(old["state"], "succeeded", "{old}");
}

pub async fn scopes_go_by_the_kind_of_job(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let change = stack.changed(&user, "POST", "wake", &json!({})).await;
    let change = change["jobId"].as_str().expect("an id").to_owned();
    let exec = stack.exec(&user, &json!({"command": "true"})).await;
    let exec = e2e_tests::jobs::of_exec(&exec);
    let (_, fleet) = stack.admin_key("reads the fleet", &["fleet:read"]).await;
    let (_, commands) = stack.admin_key("runs commands", &["exec:write"]).await;
    let (_, operator) = stack.admin_key("operates the fleet", &["fleet:write"]).await;
    let read = async |secret: &str, id: &str| stack.get(&path(id)).header("x-admin-secret", secret).send().await;
    read(&fleet, &change).await.expect(200);
    read(&operator, &change).await.expect(200);
    read(&commands, &exec).await.expect(200);
    read(&fleet, &exec).await.problem(403, "scope_missing");
    read(&commands, &change).await.problem(403, "scope_missing");
    let cancel = async |secret: &str, id: &str| {
        let call = stack.call("DELETE", &path(id)).header("x-admin-secret", secret);
        call.send().await
    };
    cancel(&operator, &change).await.expect(202);
    for (secret, id) in [(&fleet, &change), (&commands, &change), (&operator, &exec)] {
        cancel(secret, id).await.problem(403, "scope_missing");
    }
    stack.indexed(&exec, &format!("user={}", user.id)).await;
    stack.indexed(&change, &format!("user={}", user.id)).await;
    let kinds = async |secret: &str| {
        let call = stack.get(&format!("/api/super/jobs?user={}", user.id));
        let listed = call.header("x-admin-secret", secret).send().await.json(200);
        let jobs = listed["jobs"].as_array().expect("a list").clone();
        jobs.iter().map(|job| job["kind"].to_string()).collect::<BTreeSet<_>>()
    };
    assert_eq!(kinds(&fleet).await, BTreeSet::from(["\"lifecycle\"".to_owned()]));
    assert_eq!(kinds(&commands).await, BTreeSet::from(["\"exec\"".to_owned()]));
    let call = stack.get("/api/super/jobs?kind=lifecycle");
    let refused = call.header("x-admin-secret", &commands).send().await;
    refused.problem(403, "scope_missing");
    for verb in ["wake", "restart", "emergency-reset"] {
        let call = stack.post(&user.path(&format!("/{verb}")));
        let refused = call.header("x-admin-secret", &commands).json(&json!({})).send().await;
        refused.problem(403, "scope_missing");
    }
}

pub async fn a_disk_is_given_up_or_nothing_happens(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    // Something that is in no snapshot yet: what kills at once would cost it, all others save it first.
    stack.sh(&user, "touch ~/mark").await;
    let refused = stack.ask(&user, "POST", "emergency-reset", &json!({})).await;
    refused.problem(409, "would_discard_disk");
    assert_eq!(stack.generation(&user).await, 1);
    let ended = stack
        .changed(
            &user,
            "POST",
            "restart",
            &json!({"scope": "sandbox", "discardDisk": true}),
        )
        .await;
    assert_eq!(
        (
            &ended["state"],
            &ended["change"]["generationBefore"],
            &ended["change"]["generation"]
        ),
        (&json!("succeeded"), &json!(1), &json!(2)),
        "{ended}"
    );
    let ended = stack
        .changed(&user, "POST", "emergency-reset", &json!({"discardDisk": true}))
        .await;
    assert_eq!(
        (&ended["state"], &ended["change"]["generation"]),
        (&json!("succeeded"), &json!(3)),
        "{ended}"
    );
    stack.engine.only(&user).await;
}

pub async fn destroying_asks_twice(stack: Arc<Stack>) {
    let (user, other) = (stack.new_user().await, stack.new_user().await);
    stack.awake(&user).await;
    let destroy = async |user: &e2e_tests::people::User, body: Value| stack.ask(user, "POST", "destroy", &body).await;
    let asked = destroy(&user, json!({"discardDisk": true})).await;
    let asked = asked.problem(409, "confirmation_required");
    let token = asked["confirm"].as_str().expect("a token").to_owned();
    let elsewhere = destroy(&other, json!({"discardDisk": true, "confirm": token})).await;
    elsewhere.problem(409, "confirmation_required");
    let changed = format!("{}0", &token[..token.len() - 1]);
    let made_up = if changed == token {
        format!("{}1", &token[..token.len() - 1])
    } else {
        changed
    };
    let refused = destroy(&user, json!({"discardDisk": true, "confirm": made_up})).await;
    refused.problem(409, "confirmation_required");
    assert_eq!(stack.state(&user).await["lifecycle"], "running");
    let key = format!("destroy-{}", uuid::Uuid::new_v4());
    let confirmed = async || {
        let call = stack
            .post(&user.path("/destroy"))
            .admin()
            .header("idempotency-key", &key);
        let body = json!({"discardDisk": true, "confirm": token});
        call.json(&body).send().await.json(202)
    };
    let accepted = confirmed().await;
    let ended = stack.job_ends(accepted["jobId"].as_str().expect("an id")).await;
    assert_eq!(
        (&ended["state"], &ended["title"]),
        (&json!("succeeded"), &json!("destroy")),
        "{ended}"
    );
    assert_eq!(stack.state(&user).await["lifecycle"], "stopped");
    stack.awake(&user).await;
    assert_eq!(
        confirmed().await["jobId"],
        accepted["jobId"],
        "one key is one destruction"
    );
    assert_eq!(stack.state(&user).await["lifecycle"], "running");
    // It was given for the generation before.
    let late = destroy(&user, json!({"discardDisk": true, "confirm": token})).await;
    late.problem(409, "confirmation_required");
}

pub async fn tier_image_and_keep_alive_are_set_and_shown(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let ended = stack.changed(&user, "PUT", "tier", &json!({"tier": 2})).await;
    assert_eq!(
        (&ended["state"], &ended["title"]),
        (&json!("succeeded"), &json!("tier 2")),
        "{ended}"
    );
    let state = stack.state(&user).await;
    assert_eq!(
        (&state["tier"], &state["generation"]),
        (&json!(2), &json!(0)),
        "nothing was started: {state}"
    );
    let shown = stack.get(&user.path("/keep-alive")).admin().send().await.json(200);
    assert_eq!(shown["keepAlive"], json!({"policy": "default"}));
    for (body, keep_alive) in [
        (
            json!({"policy": "idle", "seconds": 600}),
            json!({"policy": "idle", "seconds": 600}),
        ),
        (json!({"policy": "default"}), json!({"policy": "default"})),
    ] {
        let set = stack.ask(&user, "PUT", "keep-alive", &body).await.json(200);
        assert_eq!(set["keepAlive"], keep_alive, "{set}");
        let shown = stack.get(&user.path("/keep-alive")).admin().send().await.json(200);
        assert_eq!(shown["keepAlive"], keep_alive, "{shown}");
    }
    stack.awake(&user).await;
    let state = stack.state(&user).await;
    assert_eq!(
        (&state["tier"], &state["generation"]),
        (&json!(2), &json!(1)),
        "{state}"
    );
    let image = stack.get(&user.path("/image")).admin().send().await.json(200);
    assert_eq!(
        (&image["generation"], &image["nextImage"]),
        (&json!(1), &Value::Null),
        "{image}"
    );
    let refused = stack
        .ask(
            &user,
            "PUT",
            "image",
            &json!({"name": "there-is-none", "discardDisk": true}),
        )
        .await;
    refused.names_field("image");
}
