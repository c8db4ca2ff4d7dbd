//! What the admin API tells about sandboxes and users.

use crate::answers::is_time;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const FIELDS: [&str; 27] = [
    "ageMs",
    "change",
    "disk",
    "error",
    "generation",
    "image",
    "keepAlive",
    "lastActiveAt",
    "lastSnapshotAt",
    "lifecycle",
    "name",
    "nextImage",
    "nextTier",
    "observedAt",
    "openSockets",
    "owner",
    "phase",
    "retryAt",
    "since",
    "sleepsAt",
    "snapshotAgeMs",
    "state",
    "tier",
    "timestamp",
    "userId",
    "waitsForCapacity",
    "wakesAt",
];

fn assert_shape(state: &Value) {
    let names: BTreeSet<&str> = state
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(names, BTreeSet::from(FIELDS), "{state}");
}

/// The dashboard's row of a user.
async fn row(stack: &Stack, user: &User) -> Value {
    let mut cursor = String::new();
    loop {
        let page = stack
            .get(&format!("/api/super/state/dashboard?limit=50&cursor={cursor}"))
            .admin()
            .send()
            .await
            .json(200);
        let users = page["users"].as_array().expect("users");
        if let Some(found) = users.iter().find(|row| row["userId"] == user.id.as_str()) {
            return found.clone();
        }
        page["nextCursor"]
            .as_str()
            .unwrap_or_else(|| panic!("{} is on no page", user.id))
            .clone_into(&mut cursor);
    }
}

pub async fn a_running_sandbox_shows_all_its_fields(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let state = stack.state(&user).await;
    assert_shape(&state);
    let expected = json!({
        "userId": user.id, "name": user.name, "state": "active", "lifecycle": "running", "phase": "ready", "generation": 1, "owner": "new",
        "tier": 1, "lastSnapshotAt": null, "snapshotAgeMs": null, "error": null, "change": null, "keepAlive": {"policy": "default"},
        "nextImage": null, "nextTier": null, "retryAt": null, "waitsForCapacity": false, "wakesAt": null, "openSockets": 0, "since": state["since"],
        // Known from the first look at it that finds it running.
        "sleepsAt": state["sleepsAt"], "lastActiveAt": state["lastActiveAt"], "disk": state["disk"],
        "image": state["image"], "observedAt": state["observedAt"], "ageMs": state["ageMs"], "timestamp": state["timestamp"],
    });
    assert_eq!(state, expected);
    assert!(
        state["image"].as_str().is_some_and(|image| !image.is_empty()),
        "{state}"
    );
    assert_eq!(
        (
            &state["disk"]["kept"],
            &state["disk"]["published"],
            &state["disk"]["loss"]
        ),
        (&json!(true), &json!(0), &Value::Null),
        "{state}"
    );
    assert!(is_time(state["observedAt"].as_str().unwrap_or_default()), "{state}");
    assert!(is_time(state["timestamp"].as_str().unwrap_or_default()), "{state}");
    assert!(state["ageMs"].as_u64().is_some_and(|age| age < 60_000), "{state}");
    for _ in 0..5 {
        assert_eq!(stack.generation(&user).await, 1, "reading starts nothing anew");
    }
}

pub async fn reading_state_starts_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for _ in 0..3 {
        let state = stack.state(&user).await;
        assert_shape(&state);
        assert_eq!(
            (&state["state"], &state["lifecycle"]),
            (&json!("stopped"), &json!("stopped")),
            "{state}"
        );
        assert_eq!(
            (&state["generation"], &state["phase"]),
            (&json!(0), &Value::Null),
            "{state}"
        );
        assert_eq!(
            (&state["observedAt"], &state["ageMs"]),
            (&Value::Null, &Value::Null),
            "it was never asked: {state}"
        );
        let row = row(&stack, &user).await;
        assert_eq!(
            (&row["lifecycle"], &row["generation"]),
            (&json!("stopped"), &json!(0)),
            "{row}"
        );
    }
    assert!(stack.engine.running(&user).await.is_empty());
}

pub async fn the_dashboard_agrees(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let row = until("the dashboard shows it running", Duration::from_secs(20), async || {
        let row = row(&stack, &user).await;
        (row["lifecycle"] == "running").then_some(row)
    })
    .await;
    assert_shape(&row);
    let state = stack.state(&user).await;
    for field in [
        "userId",
        "name",
        "state",
        "lifecycle",
        "phase",
        "generation",
        "image",
        "tier",
        "error",
    ] {
        assert_eq!(row[field], state[field], "{field}");
    }
    let page = stack
        .get("/api/super/state/dashboard?limit=1")
        .admin()
        .send()
        .await
        .json(200);
    let summary = &page["summary"];
    let count = |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("{name}: {summary}"));
    let parts: u64 = ["active", "idle", "starting", "sleeping", "stopped", "error"]
        .map(count)
        .iter()
        .sum();
    assert_eq!(count("total"), parts, "{summary}");
    assert!(count("active") >= 1 && count("total") >= 3, "{summary}");
    assert!(
        page["totalLatencyMs"].is_u64() && is_time(page["checkedAt"].as_str().unwrap_or_default()),
        "{page}"
    );
}

pub async fn lists_page_by_cursor(stack: Arc<Stack>) {
    for (path, total) in [
        ("/api/super/users", "/total"),
        ("/api/super/state/dashboard", "/summary/total"),
    ] {
        let whole = stack.get(&format!("{path}?limit=200")).admin().send().await.json(200);
        let least = whole["users"].as_array().map_or(0, Vec::len);
        assert!(
            whole
                .pointer(total)
                .and_then(Value::as_u64)
                .is_some_and(|total| total >= least as u64),
            "{whole}"
        );
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = stack
                .get(&format!("{path}?limit=2&cursor={cursor}"))
                .admin()
                .send()
                .await
                .json(200);
            let users = page["users"].as_array().expect("users");
            assert!(users.len() <= 2, "{page}");
            ids.extend(
                users
                    .iter()
                    .map(|user| user["userId"].as_str().expect("an id").to_owned()),
            );
            match page["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert!(
            ids.windows(2).all(|pair| pair[0] < pair[1]),
            "in order, none twice: {ids:?}"
        );
        assert!(ids.len() >= least, "other tests add users and remove none");
        for name in ["Ada", "Ben"] {
            assert!(ids.contains(&stack.seeded(name).id), "{name} is missing");
        }
    }
}

/// The last page may be full; then it says, too, that it is the last.
pub async fn no_list_leads_to_an_empty_page(stack: Arc<Stack>) {
    let invited = format!("{}@example.test", uuid::Uuid::new_v4().simple());
    let invitation = json!({"email": invited});
    let made = stack
        .post("/api/super/invitations")
        .admin()
        .json(&invitation)
        .send()
        .await;
    assert_eq!(made.json(201)["email"], invited);
    stack.admin_key("lists", &["exec:read"]).await;
    for (path, rows, id) in [
        ("/api/super/users", "users", "userId"),
        ("/api/super/state/dashboard", "users", "userId"),
        ("/api/super/migration", "users", "userId"),
        ("/api/super/keys", "keys", "id"),
        ("/api/super/invitations", "invitations", "email"),
    ] {
        let page = async |limit: u32, cursor: &str| {
            let path = format!("{path}?limit={limit}&cursor={}", cursor.replace('@', "%40"));
            stack.get(&path).admin().send().await.json(200)
        };
        // To the last page, and there to the last row but one.
        let mut cursor = String::new();
        loop {
            let found = page(200, &cursor).await;
            if let Some(next) = found["nextCursor"].as_str() {
                next.clone_into(&mut cursor);
                continue;
            }
            let found = found[rows].as_array().expect("rows").clone();
            let one_but_last = found.len().checked_sub(2).map(|index| &found[index][id]);
            // The bootstrap secret stands before the first key and is none.
            if let Some(before) = one_but_last.and_then(Value::as_str).filter(|id| *id != "bootstrap") {
                before.clone_into(&mut cursor);
            }
            break;
        }
        // Others may add rows meanwhile, and each page that was promised has one.
        loop {
            let found = page(1, &cursor).await;
            assert!(
                !found[rows].as_array().expect("rows").is_empty(),
                "{path} after {cursor}: {found}"
            );
            match found["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
    }
}

pub async fn users_are_found_by_name(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    for name in ["Ada", "ada", "ADA"] {
        let found = stack
            .get(&format!("/api/super/users/lookup/{name}"))
            .admin()
            .send()
            .await
            .json(200);
        assert_eq!((&found["userId"], &found["name"]), (&json!(ada.id), &json!("Ada")));
        assert_eq!(found["status"], "active");
        assert_eq!(found["tier"], stack.state(&ada).await["tier"], "{found}");
        assert!(is_time(found["createdAt"].as_str().unwrap_or_default()), "{found}");
    }
    stack
        .get("/api/super/users/lookup/nobody")
        .admin()
        .send()
        .await
        .problem(404, "unknown_user");
    stack
        .get("/api/super/users/lookup/%25")
        .admin()
        .send()
        .await
        .problem(404, "unknown_user");
}
