//! What ends on every router, and what goes on without the admin worker.

use e2e_tests::flags::UNHELD;
use e2e_tests::hanging::Hanging;
use e2e_tests::people::User;
use e2e_tests::reply::Reply;
use e2e_tests::socket::Socket;
use e2e_tests::stack::Stack;
use e2e_tests::wait::{repeatedly, until, within};
use molt_common::control::SessionEnd;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Revocations are seen this soon, whatever fails.
const REVOKED: Duration = Duration::from_secs(30);
/// Ended sessions and suspensions are.
const ENDED: Duration = Duration::from_secs(5);
/// How long a router goes on admitting keys by what it knew last (`trust::KEYS_LIMIT_MS`).
const KEYS_LIMIT: Duration = Duration::from_secs(25);

async fn users(stack: &Stack, url: &str, key: &str) -> Reply {
    let call = stack.call_at(url, "GET", "/api/super/users");
    call.header("x-admin-secret", key).send().await
}

async fn echo(stack: &Stack, url: &str, user: &User) -> Reply {
    stack.call_at(url, "GET", "/echo").user(user).send().await
}

/// An operator's decision about a user.
async fn decide(stack: &Stack, user: &User, verb: &str) {
    let reason = json!({"reason": "a test"});
    let reply = stack.post(&user.path(verb)).admin().json(&reason).send().await;
    reply.expect(200);
}

async fn socket_at(stack: &Stack, url: &str, user: &User) -> Socket {
    stack.handshake_at(url, "/socket").user(user).open().await
}

pub async fn a_key_opens_at_once_and_a_revoked_one_soon_nowhere(stack: Arc<Stack>) {
    let (id, key) = stack.admin_key("two routers", &["fleet:read"]).await;
    for url in &stack.ready.urls {
        users(&stack, url, &key).await.expect(200);
        let bearer = stack.call_at(url, "GET", "/api/super/users").bearer(&key);
        bearer.send().await.expect(200);
    }
    let revoked = stack
        .call("DELETE", &format!("/api/super/keys/{id}"))
        .admin()
        .send()
        .await;
    revoked.expect(200);
    let begun = Instant::now();
    for url in &stack.ready.urls {
        until("the key is refused", REVOKED, async || {
            (users(&stack, url, &key).await.status != 200).then_some(())
        })
        .await;
        println!("{url} refuses the revoked key after {:?}", begun.elapsed());
        users(&stack, url, &key).await.problem(403, "admin_key_wrong");
    }
    assert!(begun.elapsed() < REVOKED, "{:?}", begun.elapsed());
}

pub async fn signing_out_closes_the_sockets_of_that_session_everywhere(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let stranger = stack.new_user().await;
    stack.awake(&user).await;
    stack.awake(&stranger).await;
    let (leaving, staying) = (stack.another_session(&user), stack.another_session(&user));
    let mut mine = Vec::new();
    let mut others = Vec::new();
    for url in &stack.ready.urls {
        mine.push(socket_at(&stack, url, &leaving).await);
        others.push(socket_at(&stack, url, &staying).await);
        others.push(socket_at(&stack, url, &stranger).await);
    }
    let begun = Instant::now();
    let reply = stack.post("/logout").session(&leaving).send().await;
    assert_eq!(reply.expect(303).header("location"), "/logout");
    let first = &stack.ready.urls[0];
    echo(&stack, first, &leaving)
        .await
        .problem(401, "authentication_required");
    for socket in &mut mine {
        let (code, reason) = within("the socket is closed", ENDED, socket.closed()).await;
        assert_eq!((code, reason.as_str()), (4402, SessionEnd::SignedOut.reason()));
    }
    println!("sockets closed {:?} after signing out", begun.elapsed());
    assert!(begun.elapsed() < ENDED, "{:?}", begun.elapsed());
    for url in &stack.ready.urls {
        until(
            "the token is refused",
            ENDED.saturating_sub(begun.elapsed()),
            async || (echo(&stack, url, &leaving).await.status == 401).then_some(()),
        )
        .await;
        println!("{url} refuses the token {:?} after signing out", begun.elapsed());
        let refused = stack.handshake_at(url, "/socket").user(&leaving).attempt().await;
        assert_eq!(refused.expect_err("its session has ended").status().as_u16(), 401);
        let page = stack.call_at(url, "GET", "/").session(&leaving).browser().send().await;
        assert!(page.expect(302).header("location").starts_with("/login"));
        echo(&stack, url, &staying).await.expect(200);
    }
    for socket in &mut others {
        socket.echoes("not disturbed").await;
    }
}

pub async fn a_suspended_user_is_shut_out_everywhere(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let stranger = stack.new_user().await;
    stack.awake(&user).await;
    stack.awake(&stranger).await;
    let mut sockets = Vec::new();
    for url in &stack.ready.urls {
        sockets.push(socket_at(&stack, url, &user).await);
        sockets.push(socket_at(&stack, url, &stack.another_session(&user)).await);
    }
    let mut other = stack.socket(&stranger).await;
    let begun = Instant::now();
    decide(&stack, &user, "/suspend").await;
    for socket in &mut sockets {
        let (code, reason) = within("the socket is closed", ENDED, socket.closed()).await;
        assert_eq!((code, reason.as_str()), (4403, SessionEnd::Suspended.reason()));
    }
    println!("sockets closed {:?} after the suspension", begun.elapsed());
    for url in &stack.ready.urls {
        until(
            "the user is refused",
            ENDED.saturating_sub(begun.elapsed()),
            async || (echo(&stack, url, &user).await.status == 403).then_some(()),
        )
        .await;
        println!("{url} refuses the user {:?} after the suspension", begun.elapsed());
        let page = stack.call_at(url, "GET", "/").session(&user).browser().send().await;
        let html = page.expect(403).text();
        assert!(
            html.contains("suspended") && html.contains("href=\"/logout\""),
            "{html}"
        );
    }
    // Once every router knows, the router itself says so.
    until("the routers say so", ENDED, async || {
        let reply = echo(&stack, &stack.ready.urls[1], &user).await;
        (reply.backend() == "router").then(|| reply.problem(403, "user_suspended"))
    })
    .await;
    other.echoes("not disturbed").await;
    decide(&stack, &user, "/reinstate").await;
    until("the user is let in again", Duration::from_secs(30), async || {
        (echo(&stack, &stack.ready.urls[0], &user).await.status == 200).then_some(())
    })
    .await;
}

pub async fn nothing_is_started_for_a_suspended_user(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    decide(&stack, &user, "/suspend").await;
    // The last of the routers has asked after this long, and then nothing may start whatever is tried.
    until("every router knows", ENDED, async || {
        for url in &stack.ready.urls {
            let reply = stack.call_at(url, "GET", "/_molt/boot").user(&user).send().await;
            if reply.status != 403 {
                return None;
            }
        }
        Some(())
    })
    .await;
    for url in &stack.ready.urls {
        echo(&stack, url, &user).await.problem(403, "user_suspended");
        stack
            .call_at(url, "GET", "/")
            .session(&user)
            .browser()
            .send()
            .await
            .expect(403);
        let refused = stack.handshake_at(url, "/socket").user(&user).attempt().await;
        assert_eq!(refused.expect_err("he is suspended").status().as_u16(), 403);
    }
    let state = stack.state(&user).await;
    assert_eq!(
        (&state["lifecycle"], &state["generation"]),
        (&"stopped".into(), &0.into()),
        "{state}"
    );
    // The object has been told that his sessions ended before anybody ever needed it; it is as good as new.
    decide(&stack, &user, "/reinstate").await;
    let first = &stack.ready.urls[0];
    until("he is let in again", Duration::from_secs(30), async || {
        (echo(&stack, first, &user).await.status == 200).then_some(())
    })
    .await;
}

pub async fn without_the_admin_worker_users_go_on_and_keys_for_a_while(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let (_, key) = stack.admin_key("without the admin worker", &["fleet:read"]).await;
    let url = &stack.ready.urls[0];
    users(&stack, url, &key).await.expect(200);
    let begun = Instant::now();
    let hanging = Hanging::begin(&stack, "admin");
    // A key that is refused never reaches the admin worker; one that is admitted hangs there.
    let refused = async || {
        let call = stack.call_at(url, "GET", "/api/super/users").bearer(&key).attempt();
        let reply = tokio::time::timeout(Duration::from_secs(3), call).await.ok()?.ok()?;
        (reply.header("x-molt-backend") == "router").then_some(reply)
    };
    let mut slowest = Duration::ZERO;
    repeatedly(20, Duration::from_secs(1), async |_| {
        let asked = Instant::now();
        echo(&stack, url, &user).await.expect(200);
        slowest = slowest.max(asked.elapsed());
    })
    .await;
    assert!(
        begun.elapsed() < KEYS_LIMIT - Duration::from_secs(4),
        "too slow to tell"
    );
    assert!(refused().await.is_none(), "known keys are good for a while");
    println!("the slowest request of a user took {slowest:?}");
    assert!(slowest < UNHELD, "{slowest:?}");
    let reply = until("keys are refused", REVOKED, refused).await;
    println!(
        "keys are refused {:?} after the admin worker fell silent",
        begun.elapsed()
    );
    assert!(
        begun.elapsed() >= KEYS_LIMIT - Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        begun.elapsed() < REVOKED + Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    reply.problem(503, "trust_unavailable");
    assert_eq!(reply.header("retry-after"), "2");
    // Nor is anybody told that he is signed out when that could not be recorded.
    let leaving = stack.another_session(&user);
    let page = stack.post("/logout").session(&leaving).browser().send().await;
    let html = page.expect(503).text();
    assert!(
        html.contains("action=\"/logout\"") && !html.contains(&leaving.token),
        "{html}"
    );
    let cookies = page.all("set-cookie");
    let kept = cookies
        .iter()
        .find(|cookie| cookie.starts_with("molt-ending-session=ey"));
    let kept = kept
        .and_then(|cookie| cookie.split(';').next())
        .expect("what is to be ended")
        .to_owned();
    assert!(
        cookies.iter().any(|cookie| cookie.starts_with("sb-access-token=;")),
        "{cookies:?}"
    );
    drop(hanging);
    until("the key is good again", REVOKED, async || {
        (users(&stack, url, &key).await.status == 200).then_some(())
    })
    .await;
    // Whether the first call arrives now that it is read is nobody's promise; the second is one.
    let again = stack.post("/logout").header("cookie", &kept).browser().send().await;
    assert_eq!(again.expect(303).header("location"), "/logout");
    echo(&stack, url, &leaving)
        .await
        .problem(401, "authentication_required");
}
