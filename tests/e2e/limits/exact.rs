//! Never one too many, never one too few, however many come at once.

use e2e_tests::rate::{ADDRESS, Tally, address, burst, said, tally};
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use std::sync::Arc;

const MANY: usize = 200;

fn expect(replies: &[Reply], admitted: usize) {
    let expected = Tally {
        admitted,
        refused: replies.len() - admitted,
        failed: 0,
    };
    assert_eq!(tally(replies), expected);
}

/// Each number of the countdown was told once.
fn counts_down(replies: &[Reply], from: u32) {
    let admitted = replies.iter().filter(|reply| reply.status != 429);
    let mut left: Vec<u32> = admitted.map(|reply| said(reply).remaining).collect();
    left.sort_unstable();
    assert_eq!(left, (0..from).collect::<Vec<u32>>());
}

pub async fn a_strict_class_admits_exactly_its_limit(stack: Arc<Stack>) {
    let from = address();
    let replies = burst(MANY, |_| stack.get("/login").header(ADDRESS, &from)).await;
    expect(&replies, 10);
    counts_down(&replies, 10);
    // Somebody else is not concerned.
    let other = stack.get("/login").header(ADDRESS, &address()).send().await;
    assert_eq!(said(other.expect(200)).remaining, 9);
}

pub async fn a_strict_class_is_one_for_all_routers(stack: Arc<Stack>) {
    let from = address();
    let urls = &stack.ready.urls;
    let replies = burst(MANY, |index| {
        let url = &urls[index % urls.len()];
        stack.call_at(url, "GET", "/login").header(ADDRESS, &from)
    })
    .await;
    expect(&replies, 10);
    counts_down(&replies, 10);
}

pub async fn an_admin_key_writes_exactly_its_limit(stack: Arc<Stack>) {
    let (_, key) = stack.admin_key("writes a lot", &["fleet:read"]).await;
    let (_, other) = stack.admin_key("writes little", &["fleet:read"]).await;
    let write = |key: &str| stack.call("PUT", "/api/super/nothing").bearer(key);
    let replies = burst(MANY, |_| write(&key)).await;
    expect(&replies, 40);
    counts_down(&replies, 40);
    // Reading is another class, and so is another key's writing.
    let read = stack.get("/api/super/users").bearer(&key).send().await;
    assert_eq!(said(read.expect(200)).class, "admin-read");
    assert_eq!(said(&write(&other).send().await).remaining, 39);
}

pub async fn an_isolate_admits_exactly_its_limit(stack: Arc<Stack>) {
    let from = address();
    let replies = burst(MANY, |_| stack.get("/nothing").header(ADDRESS, &from)).await;
    expect(&replies, 60);
    counts_down(&replies, 60);
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let left = said(stack.get("/echo").user(&user).send().await.expect(200)).remaining;
    let replies = burst(MANY, |_| stack.get("/echo").user(&user)).await;
    expect(&replies, left as usize);
    counts_down(&replies, left);
}

pub async fn a_page_load_meets_no_limit(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let wanted = ["script", "style", "image", "font"];
    let replies = burst(40, |index| {
        let call = stack.get("/echo").user(&user);
        match index {
            0 => call.header("sec-fetch-dest", "document"),
            _ => call.header("sec-fetch-dest", wanted[index % wanted.len()]),
        }
    })
    .await;
    for reply in &replies {
        reply.expect(200);
    }
    assert_eq!(said(&replies[0]).class, "page");
    let assets: Vec<u32> = replies.iter().skip(1).map(|reply| said(reply).limit).collect();
    assert_eq!(assets, [100; 39]);
}
