//! Several routers before the same objects.

use e2e_tests::launch::Launch;
use e2e_tests::processes;
use e2e_tests::sandbox::Seen;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use nix::sys::signal::Signal;
use std::sync::Arc;
use std::time::Duration;

fn urls(stack: &Stack) -> [String; 2] {
    let [first, second] = &stack.ready.urls[..] else {
        panic!("not two routers: {:?}", stack.ready.urls)
    };
    [first.clone(), second.clone()]
}

pub async fn both_routers_reach_the_same_sandbox(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let pid = stack.engine.only(&user).await;
    let mark = uuid::Uuid::new_v4().to_string();
    stack.sh(&user, &format!("echo {mark} > ~/mark")).await;
    for url in urls(&stack) {
        let seen = Seen::from(stack.call_at(&url, "GET", "/echo").user(&user).send().await);
        assert_eq!(seen.header("x-openclaw-user"), Some(user.id.as_str()));
        assert_eq!(seen.header("host"), Some(url.trim_start_matches("http://")));
        let mut socket = stack
            .handshake_at(&url, "/")
            .user(&user)
            .header("origin", &url)
            .open()
            .await;
        socket.echoes(&url).await;
        let state = stack
            .call_at(&url, "GET", &user.path("/state"))
            .admin()
            .send()
            .await
            .json(200);
        assert_eq!(
            (state["lifecycle"].as_str(), state["generation"].as_u64()),
            (Some("running"), Some(1)),
            "{state}"
        );
    }
    assert_eq!(stack.engine.only(&user).await, pid);
}

pub async fn a_router_that_dies_takes_no_other_along(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let [first, second] = urls(&stack);
    let mut socket = stack.handshake_at(&first, "/").user(&user).open().await;
    let victim = stack.ready.process("router-2");
    for process in processes::tree(victim) {
        Launch::signal(process.pid, Signal::SIGKILL);
    }
    until("the second router is gone", Duration::from_secs(10), async || {
        stack
            .call_at(&second, "GET", "/health")
            .attempt()
            .await
            .is_err()
            .then_some(())
    })
    .await;
    stack
        .call_at(&first, "GET", "/echo")
        .user(&user)
        .send()
        .await
        .expect(200);
    socket.echoes("not disturbed").await;
    assert_eq!(stack.sh(&user, "echo works").await, "works\n");
    // The stack keeps its programs running.
    until("the second router serves again", Duration::from_secs(90), async || {
        let reply = stack
            .call_at(&second, "GET", "/echo")
            .user(&user)
            .attempt()
            .await
            .ok()?;
        (reply.status == 200).then_some(())
    })
    .await;
    assert_eq!(stack.generation(&user).await, 1);
}
