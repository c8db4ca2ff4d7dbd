//! A user restarts his own agent.

use e2e_tests::people::User;
use e2e_tests::processes;
use e2e_tests::reply::Reply;
use e2e_tests::sandbox::START_LIMIT;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use std::sync::Arc;

const PATHS: [&str; 2] = ["/_molt/restart", "/emergency-reset"];

async fn agent(stack: &Stack, user: &User) -> Vec<i32> {
    let members = processes::tree(stack.engine.only(user).await);
    let agents = members
        .iter()
        .filter(|one| one.command.split_whitespace().nth(1) == Some("echo-agent"));
    agents.map(|one| one.pid).collect()
}

async fn press(stack: &Stack, user: &User, path: &str, origin: &str) -> Reply {
    stack
        .post(path)
        .session(user)
        .browser()
        .header("origin", origin)
        .body("")
        .send()
        .await
}

async fn shows_a_form(stack: &Stack, path: &str) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let before = agent(stack, &user).await;
    for method in ["GET", "HEAD"] {
        stack
            .call(method, path)
            .session(&user)
            .browser()
            .send()
            .await
            .expect(200);
    }
    let page = stack.get(path).session(&user).browser().send().await;
    let html = page.expect(200).text();
    assert!(
        html.contains("<form method=\"post\" action=\"/_molt/restart?next=%2F\">"),
        "{html}"
    );
    assert!(html.contains("Your files, chats and settings stay"), "{html}");
    assert_eq!(agent(stack, &user).await, before);
    // Where to go back to is a path of this origin.
    let html = stack
        .get(&format!("{path}?next=//evil.example"))
        .session(&user)
        .send()
        .await
        .text();
    assert!(!html.contains("evil.example"), "{html}");
}

pub async fn the_page_changes_nothing(stack: Arc<Stack>) {
    shows_a_form(&stack, PATHS[0]).await;
}

pub async fn the_former_address_changes_nothing_either(stack: Arc<Stack>) {
    shows_a_form(&stack, PATHS[1]).await;
}

pub async fn other_sites_restart_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let before = agent(&stack, &user).await;
    for path in PATHS {
        for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
            let reply = press(&stack, &user, path, origin).await;
            assert_eq!(reply.status, 403, "{origin}");
        }
        let sited = stack
            .post(path)
            .session(&user)
            .header("sec-fetch-site", "cross-site")
            .body("")
            .send()
            .await;
        sited.problem(403, "foreign_origin");
        stack
            .post(path)
            .header("origin", &stack.ready.url)
            .body("")
            .send()
            .await
            .problem(401, "authentication_required");
    }
    assert_eq!(agent(&stack, &user).await, before);
}

pub async fn only_the_users_own_agent_is_restarted(stack: Arc<Stack>) {
    let (user, other) = (stack.new_user().await, stack.new_user().await);
    stack.awake(&user).await;
    stack.awake(&other).await;
    stack.sh(&user, "echo kept > ~/kept").await;
    let (before, others) = (agent(&stack, &user).await, agent(&stack, &other).await);
    let generation = stack.generation(&user).await;
    let pressed = press(&stack, &user, "/_molt/restart?next=%2Fchat", &stack.ready.url).await;
    let progress = pressed.expect(303).header("location").to_owned();
    assert!(
        progress.starts_with("/_molt/restart?change=") && progress.ends_with("&next=%2Fchat"),
        "{progress}"
    );
    // Pressed twice is once.
    press(&stack, &user, "/_molt/restart", &stack.ready.url)
        .await
        .expect(303);
    let back = until("the way back is shown", START_LIMIT, async || {
        let page = stack.get(&progress).session(&user).browser().send().await;
        match page.status {
            303 => Some(page.header("location").to_owned()),
            503 => {
                assert!(page.text().contains("id=\"boot\""), "{}", page.text());
                None
            }
            other => panic!("answered {other}: {}", page.text()),
        }
    })
    .await;
    assert_eq!(back, "/chat");
    stack.awake(&user).await;
    let after = agent(&stack, &user).await;
    assert!(after.iter().all(|pid| !before.contains(pid)), "{before:?} {after:?}");
    assert_eq!(agent(&stack, &other).await, others);
    assert_eq!(stack.generation(&user).await, generation);
    assert_eq!(stack.sh(&user, "cat ~/kept").await, "kept\n");
}

pub async fn other_methods_are_405(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for path in PATHS {
        for method in ["PUT", "DELETE", "PATCH"] {
            let reply = stack.call(method, path).user(&user).send().await;
            assert_eq!(reply.expect(405).header("allow"), "GET, HEAD, POST");
        }
    }
}
