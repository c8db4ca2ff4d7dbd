//! Calls about a user's configuration.

use e2e_tests::people::User;
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use serde_json::Value;

/// The content hash of a document in which nothing was chosen.
pub const EMPTY: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// Reads it.
pub async fn config(stack: &Stack, user: &User) -> Value {
    let reply = stack.get(&user.path("/config")).admin().send().await;
    let config = reply.json(200);
    let tag = format!("\"{}\"", config["hash"].as_str().expect("a hash"));
    // What compresses an answer marks its tag as weak.
    assert_eq!(reply.header("etag").trim_start_matches("W/"), tag);
    config
}

/// Changes it.
pub async fn change(stack: &Stack, user: &User, method: &str, body: &Value) -> Reply {
    stack
        .call(method, &user.path("/config"))
        .admin()
        .json(body)
        .send()
        .await
}

/// Changes it only if it has this hash.
pub async fn change_if(stack: &Stack, user: &User, method: &str, hash: &str, body: &Value) -> Reply {
    let call = stack.call(method, &user.path("/config")).admin();
    let call = call.header("if-match", &format!("\"{hash}\""));
    call.json(body).send().await
}

/// The newest versions.
pub async fn history(stack: &Stack, user: &User) -> Vec<Value> {
    let path = user.path("/config/history");
    let page = stack.get(&path).admin().send().await.json(200);
    page["history"].as_array().expect("a list").clone()
}

/// What is on the disk of a running sandbox.
pub async fn disk(stack: &Stack, user: &User) -> Value {
    let text = stack.sh(user, "cat .openclaw/openclaw.json").await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
