//! People who were there before, the flag that moves them, and what either side knows of their agents.

use e2e_tests::people::User;
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Two routers before a platform that nobody has been moved to yet; its admin API is the new one.
pub const FLAGS: &[&str] = &[
    "--legacy",
    "--split",
    "--routers",
    "2",
    "--var",
    "router.USE_NEW_ADMIN_API=true",
];
const FLAG: &str = "/api/super/flags/USE_NEW_CONTAINER_GATEWAY";
/// A move: flags are seen within seconds, an agent has to stop and another to start.
pub const MOVE_LIMIT: Duration = Duration::from_secs(90);

/// Somebody whom the platform has never seen.
pub fn person(stack: &Stack) -> User {
    let id = Uuid::new_v4().to_string();
    let name = format!("old-{}", &id[..8]);
    let mut claims = stack.claims(&id);
    claims["email"] = json!(format!("{name}@example.test"));
    User {
        id,
        name,
        token: stack.sign(&claims),
    }
}

/// Has the flag cover exactly these users.
pub async fn cover(stack: &Stack, users: &[&User], discard_disk: bool) {
    let allow: Vec<&str> = users.iter().map(|user| user.id.as_str()).collect();
    let setting = json!({
        "enabled": false, "percent": 0, "allow": allow, "deny": [], "killed": false, "discardDisk": discard_disk, "reason": "test",
    });
    stack.call("PUT", FLAG).admin().json(&setting).send().await.expect(200);
}

/// Asks as the user until this side answers.
pub async fn answered_by(stack: &Stack, user: &User, backend: &str) -> Reply {
    until(&format!("{backend} answers {}", user.name), MOVE_LIMIT, async || {
        let reply = stack.get("/echo").user(user).attempt().await.ok()?;
        (reply.backend() == backend && reply.status == 200).then_some(reply)
    })
    .await
}

/// What the old system knows of a user. It is asked directly: its answers pass no router.
pub async fn legacy(stack: &Stack, user: &User) -> Option<Value> {
    let url = format!("{}{}", stack.ready.address("legacy"), user.path("/inspect"));
    let secret = &stack.ready.admin_secret;
    let call = reqwest::Client::new().get(url).header("x-admin-secret", secret);
    call.send().await.ok()?.error_for_status().ok()?.json().await.ok()
}

/// Looks at both sides again and again while something else happens.
pub struct Watch {
    over: Arc<AtomicBool>,
    looks: JoinHandle<u32>,
}

impl Watch {
    /// Begins.
    pub fn begin(stack: &Arc<Stack>, user: &User) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (stack, user, end) = (Arc::clone(stack), user.clone(), Arc::clone(&over));
        let looks = tokio::spawn(async move {
            let mut looks = 0;
            while !end.load(Ordering::Relaxed) {
                let before = stack.engine.running(&user).await;
                let old = legacy(&stack, &user).await;
                let after = stack.engine.running(&user).await;
                // There before and after the old one was seen running: beside it.
                let beside = before.iter().any(|pid| after.contains(pid));
                let runs = old.is_some_and(|old| old["fence"]["agentRunning"] == true);
                assert!(!(beside && runs), "{} has two agents", user.name);
                looks += 1;
            }
            looks
        });
        Self { over, looks }
    }

    /// Ends; how often it looked.
    pub async fn end(self) -> u32 {
        self.over.store(true, Ordering::Relaxed);
        self.looks.await.expect("never two agents")
    }
}

/// Asserts, from what both sides wrote down, that the old agent ran at no time at which the sandbox was allowed to.
pub async fn assert_apart(stack: &Stack, user: &User) {
    let chain = format!("sandbox:{}", user.id);
    let path = format!("/api/super/audit/verify?chain={chain}");
    until("the trail is copied", Duration::from_secs(30), async || {
        let report = stack.get(&path).admin().send().await.json(200);
        (report["copied"] == report["entries"]).then_some(())
    })
    .await;
    let trail = stack
        .sql(&format!(
            "SELECT action, at, detail FROM audit WHERE chain = '{chain}' ORDER BY seq"
        ))
        .await;
    let mut here: Vec<(u64, u64)> = Vec::new();
    for entry in &trail {
        let at = entry["at"].as_f64().expect("a time") as u64;
        let detail = entry["detail"].as_str().unwrap_or_default();
        match entry["action"].as_str().unwrap_or_default() {
            "sandbox.moved" if detail.contains("\"new\"") => here.push((at, u64::MAX)),
            "sandbox.released" => here
                .iter_mut()
                .filter(|run| run.1 == u64::MAX)
                .for_each(|run| run.1 = at),
            _ => {}
        }
    }
    assert!(!here.is_empty(), "he never came: {trail:#?}");
    let old = legacy(stack, user).await.expect("the old system answers");
    let runs = old["agentRuns"].as_array().expect("a list");
    assert!(!runs.is_empty(), "{old}");
    for run in runs {
        let (from, to) = (
            run["startedAt"].as_u64().expect("a time"),
            run["endedAt"].as_u64().unwrap_or(u64::MAX),
        );
        let meets = here.iter().find(|(begin, end)| from < *end && *begin < to);
        assert!(meets.is_none(), "{run} meets {meets:?}: {trail:#?}");
    }
}

/// Where the platform's admin API says that the user is.
pub async fn placed(stack: &Stack, user: &User) -> Option<Value> {
    let mut cursor = String::new();
    loop {
        let path = format!("/api/super/migration?limit=200&cursor={cursor}");
        let page = stack.get(&path).admin().send().await.json(200);
        let users = page["users"].as_array().expect("a list");
        if let Some(found) = users.iter().find(|found| found["userId"] == user.id.as_str()) {
            return Some(found.clone());
        }
        cursor = page["nextCursor"].as_str()?.to_owned();
    }
}
