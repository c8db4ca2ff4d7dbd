//! What the tests of flags share.

use e2e_tests::call::Call;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub const FLAGS: &str = "/api/super/flags";
/// Never off in these tests: keys and the audit trail are asked through it, and routers may be seconds behind.
pub const ADMIN: &str = "USE_NEW_ADMIN_API";
pub const GATEWAY: &str = "USE_NEW_CONTAINER_GATEWAY";
/// A subject that is nobody.
pub const SOMEBODY: &str = "5a0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a77";

pub fn path(flag: &str) -> String {
    format!("{FLAGS}/{flag}")
}

pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
    u64::try_from(since.as_millis()).expect("a number")
}

/// A flag as it stands.
pub async fn read(stack: &Stack, flag: &str) -> Value {
    stack.get(&path(flag)).admin().send().await.json(200)
}

/// Its version.
pub fn version(view: &Value) -> u64 {
    view["version"].as_u64().expect("a version")
}

/// `PUT` of a setting, outages included.
pub fn put<'a>(stack: &'a Stack, flag: &str, body: &Value) -> Call<'a> {
    let path = format!("{}?allowOutage=true", path(flag));
    stack.call("PUT", &path).admin().json(body)
}

/// Leaves the flag to its variable, and answers with its version.
pub async fn cleared(stack: &Stack, flag: &str) -> u64 {
    let reply = stack.call("DELETE", &path(flag)).admin().send().await;
    version(&reply.json(200))
}

/// On for everybody.
pub async fn on_for_all(stack: &Stack, flag: &str) -> Value {
    let body = json!({"enabled": true, "reason": "a test begins"});
    put(stack, flag, &body).send().await.json(200)
}

/// The newest changes of a flag.
pub async fn history(stack: &Stack, flag: &str) -> Vec<Value> {
    let page = stack
        .get(&format!("{}/history", path(flag)))
        .admin()
        .send()
        .await
        .json(200);
    page["history"].as_array().cloned().expect("a list")
}
