//! How soon routers obey.

use e2e_tests::flags::{ADMIN, GATEWAY, SEEN, killed, percent};
use e2e_tests::flip::Flip;
use e2e_tests::load::{Caller, Load, Plan, seconds};
use e2e_tests::stack::Stack;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::Message;

/// Requests a second in all; the drill `flag-flip` makes 200.
const RATE: f64 = 60.0;

/// Callers of the load whom the admin flag is about; the others are users.
const OPERATORS: [usize; 2] = [0, 2];

async fn flip(stack: &Stack, load: &Load, setting: Value, [old, new]: [&'static str; 2]) {
    let flip = Flip {
        flag: ADMIN,
        setting,
        old,
        new,
        callers: &OPERATORS,
    };
    let last = flip.make(stack, load, stack.ready.urls.len()).await;
    let last: Vec<String> = last.into_iter().map(seconds).collect();
    println!("{old} to {new}: seconds until the last old answer of each router: {last:?}");
}

pub async fn a_flip_and_a_kill_are_seen_by_each_router_under_load(stack: Arc<Stack>) {
    stack.forget_flags().await;
    let (ada, ben) = (stack.seeded("Ada"), stack.seeded("Ben"));
    let callers = vec![
        Caller::admin("operator", &stack.ready.admin_secret, "/api/super/users"),
        Caller::user(&ada, "/echo"),
        Caller::admin("operator", &stack.ready.admin_secret, "/api/super/users"),
        Caller::user(&ben, "/echo"),
    ];
    let load = Load::start(Plan::new(&stack.ready.urls, callers, RATE).expecting(200));
    load.until("everybody was answered", SEEN, |record| {
        (record.samples.len() > 60).then_some(())
    })
    .await;
    flip(&stack, &load, percent(100), ["legacy", "admin"]).await;
    flip(&stack, &load, killed(), ["admin", "legacy"]).await;
    flip(&stack, &load, percent(100), ["legacy", "admin"]).await;
    let record = load.stop().await;
    println!("{record}");
    record.assert_all_good();
    // The other class was not touched.
    let others = record.filter(|sample| !OPERATORS.contains(&sample.caller)).backends();
    assert_eq!(others.keys().collect::<Vec<_>>(), ["legacy"]);
}

pub async fn an_idle_router_obeys_with_its_first_request(stack: Arc<Stack>) {
    stack.forget_flags().await;
    let [busy, .., idle] = &stack.ready.urls[..] else {
        panic!("too few routers")
    };
    let users = async |url: &str| stack.call_at(url, "GET", "/api/super/users").admin().send().await;
    let before = users(idle).await;
    assert_eq!((before.status, before.backend()), (200, "legacy"));
    let callers = vec![Caller::admin("operator", &stack.ready.admin_secret, "/api/super/users")];
    let load = Load::start(Plan::new(std::slice::from_ref(busy), callers, 20.0).expecting(200));
    let version = stack.set_flag(ADMIN, percent(100)).await;
    let set_at = load.now();
    // Beyond the age at which what is held is used, whatever is done behind.
    let idle_for = SEEN + Duration::from_secs(1);
    load.until("the router was idle for long enough", 4 * SEEN, |_| {
        (load.now() > set_at + idle_for).then_some(())
    })
    .await;
    let first = users(idle).await;
    assert_eq!((first.status, first.backend()), (200, "admin"));
    assert_eq!(first.header("x-molt-flags-version"), version.to_string());
    assert_eq!(first.header("x-molt-flags-source"), "control-plane");
    load.stop().await.assert_all_good();
}

pub async fn an_open_socket_stays_open_when_the_flag_flips(stack: Arc<Stack>) {
    stack.forget_flags().await;
    let (before, after) = (stack.new_legacy_user(), stack.new_legacy_user());
    let allow = |ids: &[&str]| json!({"enabled": false, "percent": 0, "allow": ids});
    // One who is with what ran before, and one who is not.
    stack
        .flags_are_seen(stack.set_flag(GATEWAY, allow(&[&after.id])).await)
        .await;
    let (mut old, response) = stack.handshake("/socket").user(&before).attempt().await.expect("open");
    assert_eq!(response.headers()["x-molt-backend"], "legacy");
    let mut new = stack.handshake("/socket").user(&after).open().await;
    new.echoes("before").await;
    let version = stack.set_flag(GATEWAY, allow(&[&before.id])).await;
    stack.flags_are_seen(version).await;
    // A request of either goes to the other side now; the sockets were opened before that.
    new.echoes("after").await;
    old.send(Message::text("after")).await.expect("the socket is open");
    let back = old.next().await.expect("a message").expect("the socket is open");
    assert_eq!(back, Message::text("after"));
    let version = stack.set_flag(GATEWAY, killed()).await;
    stack.flags_are_seen(version).await;
    new.echoes("after the kill").await;
    stack.forget_flags().await;
}
