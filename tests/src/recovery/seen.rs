//! What operators see of a platform.

use super::FLAG;
use crate::people::User;
use crate::stack::Stack;
use serde_json::Value;

/// What is looked at before and after.
#[derive(Debug, PartialEq)]
pub struct Seen {
    flags: Value,
    history: Value,
    keys: Value,
    invitations: Value,
    users: Value,
    backups: [Value; 2],
    configurations: Value,
    diff: Value,
    image: Value,
    keep_alive: Value,
    cost: Value,
}

/// What an admin reads.
pub async fn read(stack: &Stack, path: &str) -> Value {
    stack.get(path).admin().send().await.json(200)
}

/// The same without what the time makes of it.
fn timeless(mut value: Value, fields: &[&str]) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.retain(|name, _| !fields.contains(&name.as_str()));
            for inner in map.values_mut() {
                *inner = timeless(inner.take(), fields);
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|inner| *inner = timeless(inner.take(), fields)),
        _ => {}
    }
    value
}

impl Seen {
    /// What there is now; both users have snapshots.
    pub async fn on(stack: &Stack, two: [&User; 2]) -> Self {
        let [ada, ben] = two;
        Self {
            flags: timeless(read(stack, "/api/super/flags").await["flags"].take(), &[]),
            history: read(stack, &format!("/api/super/flags/{FLAG}/history")).await,
            keys: timeless(read(stack, "/api/super/keys").await["keys"].take(), &["lastUsedAt"]),
            invitations: read(stack, "/api/super/invitations").await,
            users: timeless(read(stack, "/api/super/users?limit=200").await, &["tier"]),
            backups: [
                read(stack, &ada.path("/backups")).await,
                read(stack, &ben.path("/backups")).await,
            ]
            .map(|mut told| told["backups"].take()),
            configurations: read(stack, &ada.path("/config/history")).await,
            diff: read(stack, &ada.path("/config/diff?from=1&to=2")).await,
            image: read(stack, &ben.path("/image")).await["image"].take(),
            keep_alive: read(stack, &ben.path("/keep-alive")).await["keepAlive"].take(),
            cost: read(stack, &ada.path("/cost?from=2024-10-01&to=2024-10-31")).await,
        }
    }
}
