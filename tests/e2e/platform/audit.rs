//! The audit trail: what changes something is in it, what holds a secret is not.

use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn verified(stack: &Stack, chain: &str) -> Value {
    stack
        .get(&format!("/api/super/audit/verify?chain={chain}"))
        .admin()
        .send()
        .await
        .json(200)
}

/// Waits until the chain's copy is complete and answers with how it stands.
async fn settled(stack: &Stack, chain: &str) -> Value {
    until("the copy has every entry", Duration::from_secs(30), async || {
        let report = verified(stack, chain).await;
        (report["copied"] == report["entries"]).then_some(report)
    })
    .await
}

pub async fn every_change_of_the_control_plane_is_chained(stack: Arc<Stack>) {
    let before = settled(&stack, "control-plane").await["entries"]
        .as_u64()
        .expect("a number");
    let (id, _) = stack.admin_key("audited", &["fleet:read"]).await;
    let path = format!("/api/super/keys/{id}");
    for _ in 0..2 {
        stack.call("DELETE", &path).admin().send().await.expect(200);
    }
    let after = settled(&stack, "control-plane").await;
    assert_eq!(
        (&after["verified"], &after["copyAgrees"]),
        (&json!(true), &json!(true)),
        "{after}"
    );
    // Other tests change things beside this one; revoking twice is one change.
    assert!(
        after["entries"].as_u64().expect("a number") >= before + 2,
        "{before} then {after}"
    );
    assert_eq!(after["head"].as_str().map(str::len), Some(64));
}

pub async fn commands_and_sandboxes_have_chains_of_their_own(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let sandbox = format!("sandbox:{}", user.id);
    let enrolled = settled(&stack, &sandbox).await;
    assert_eq!(
        (&enrolled["entries"], &enrolled["verified"]),
        (&json!(1), &json!(true)),
        "{enrolled}"
    );
    stack.get("/_molt/boot").user(&user).send().await.expect(200);
    assert_eq!(settled(&stack, &sandbox).await["entries"], 1, "he is taken once");
    let exec = format!("exec:{}", user.id);
    assert_eq!(verified(&stack, &exec).await["entries"], 0);
    let body =
        json!({"command": "sleep 600", "env": {"TOKEN": "planted-secret-in-env"}, "stdin": "planted-secret-in-stdin"});
    let accepted = stack.submit(&user, &body).await;
    stack.cancel(&accepted).await;
    stack.outcome(&accepted).await;
    let report = settled(&stack, &exec).await;
    assert_eq!(
        (&report["entries"], &report["verified"]),
        (&json!(3), &json!(true)),
        "submitted, cancelled, ended: {report}"
    );
    assert_eq!(
        settled(&stack, &sandbox).await["entries"],
        3,
        "the command claimed it, and it got a key of its own"
    );
    assert_eq!(
        verified(&stack, &format!("exec:{}", stack.seeded("Ben").id)).await["chain"],
        format!("exec:{}", stack.seeded("Ben").id)
    );
}

pub async fn no_secret_is_in_the_trail(stack: Arc<Stack>) {
    let (id, key) = stack.admin_key("seen nowhere", &["fleet:read"]).await;
    let user = stack.new_user().await;
    let secret = format!("planted{}", uuid::Uuid::new_v4().simple());
    let body = json!({
        "command": format!("true --password={secret}; curl -s -H 'Authorization: Bearer {secret}' http://127.0.0.1:9/ -H 'X-Admin-Secret: {key}'"),
        "env": {"VALUE": secret}, "stdin": secret, "timeoutMs": 5_000,
    });
    stack.exec(&user, &body).await;
    let reason = json!({"reason": format!("found token={secret}")});
    for verb in ["/suspend", "/reinstate"] {
        let call = stack.post(&user.path(verb)).admin().json(&reason);
        call.send().await.expect(200);
    }
    for chain in ["control-plane".to_owned(), format!("exec:{}", user.id)] {
        settled(&stack, &chain).await;
    }
    // All but the two columns of hashes: the program that reads them logs what it reads, and a hash looks like a credential there.
    let columns = "chain, seq, at, actor, action, target, request_id, detail";
    let rows = stack.sql(&format!("SELECT {columns} FROM audit")).await;
    let (opener, trail) = (key.rsplit('_').next().expect("a secret"), Value::from(rows).to_string());
    assert!(trail.contains(&id) && trail.contains(&user.id) && trail.contains("exec.submitted"));
    assert!(trail.contains("[redacted]") && trail.contains("stdinBytes"));
    for planted in [secret.as_str(), opener, &stack.secrets.admin] {
        let at = trail.find(planted);
        assert!(
            at.is_none(),
            "…{}",
            &trail[at.unwrap_or(0).saturating_sub(200)..][..200]
        );
    }
}

pub async fn asking_twice_to_cancel_is_one_change(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    // It is still there when it is asked again: only the end of its grace ends it.
    let stubborn = json!({"command": "trap '' TERM; while :; do sleep 1; done"});
    let accepted = stack.submit(&user, &stubborn).await;
    stack.exec_reaches(&accepted, "running").await;
    for _ in 0..2 {
        stack.cancel(&accepted).await;
    }
    stack.outcome(&accepted).await;
    let report = settled(&stack, &format!("exec:{}", user.id)).await;
    assert_eq!(report["entries"], 3, "submitted, cancelled once, ended: {report}");
}

pub async fn bad_questions_are_named_by_field(stack: Arc<Stack>) {
    for chain in [
        "",
        "x",
        "exec:",
        "exec:x",
        "control-plane:x",
        "sandbox:00000000-0000-0000-0000-000000000000",
    ] {
        let path = format!("/api/super/audit/verify?chain={chain}");
        stack.get(&path).admin().send().await.names_field("chain");
    }
    for cursor in ["", "1", "x.y", "1.zz"] {
        let path = format!("/api/super/audit/verify?cursor={cursor}");
        stack.get(&path).admin().send().await.names_field("cursor");
    }
    stack.post("/api/super/audit/verify").admin().send().await.expect(405);
}
