//! Calls about a user's secrets, and the search for values.

use e2e_tests::people::User;
use e2e_tests::reply::Reply;
use e2e_tests::secrets::used;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A value that nothing else has; it must be in no log of the stack.
pub fn value() -> String {
    let value = format!("sk-test-{}", Uuid::new_v4().simple());
    used("a user's secret", &value);
    value
}

/// What is told of a value of at least sixteen characters.
pub fn masked(value: &str) -> String {
    format!("••••{}", &value[value.len() - 4..])
}

/// Sets one.
pub async fn set(stack: &Stack, user: &User, name: &str, value: &str) -> Reply {
    put(stack, user, name, &json!({"value": value})).await
}

/// Sets one with a body of any form.
pub async fn put(stack: &Stack, user: &User, name: &str, body: &Value) -> Reply {
    let path = user.path(&format!("/secrets/{name}"));
    stack.call("PUT", &path).admin().json(body).send().await
}

/// Removes one.
pub async fn remove(stack: &Stack, user: &User, name: &str) -> Reply {
    let path = user.path(&format!("/secrets/{name}"));
    stack.call("DELETE", &path).admin().send().await
}

/// The whole answer of the list.
pub async fn answer(stack: &Stack, user: &User) -> Value {
    stack.get(&user.path("/secrets")).admin().send().await.json(200)
}

/// What is listed.
pub async fn list(stack: &Stack, user: &User) -> Vec<Value> {
    answer(stack, user).await["secrets"].as_array().expect("a list").clone()
}

/// The names that are listed.
pub async fn names(stack: &Stack, user: &User) -> Vec<String> {
    let listed = list(stack, user).await;
    let names = listed.iter().filter_map(|secret| secret["name"].as_str());
    names.map(str::to_owned).collect()
}

/// Every file below a folder that holds these bytes.
pub fn holding(folder: &Path, needle: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(holding(&path, needle)),
            Ok(kind) if kind.is_file() && holds(&path, needle.as_bytes()) => found.push(path),
            _ => {}
        }
    }
    found
}

/// The same but for the notes of supervisors, which no agent can read: they hold tokens of channels while the sandbox runs.
pub fn beyond_supervisors(folder: &Path, needle: &str) -> Vec<PathBuf> {
    let mut found = holding(folder, needle);
    found.retain(|path| !path.ends_with("agent/providers-handed.json"));
    found
}

fn holds(path: &Path, needle: &[u8]) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut held = Vec::new();
    let mut piece = vec![0; 1 << 20];
    // A file that went away meanwhile holds nothing.
    while let Ok(read @ 1..) = file.read(&mut piece) {
        held.extend_from_slice(&piece[..read]);
        if held.windows(needle.len()).any(|window| window == needle) {
            return true;
        }
        let keep = held.len().min(needle.len() - 1);
        held.drain(..held.len() - keep);
    }
    false
}
