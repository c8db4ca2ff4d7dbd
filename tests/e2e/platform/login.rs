//! The development sign-in and its session.

use e2e_tests::people::User;
use e2e_tests::raw;
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use std::sync::Arc;

/// The value of the login state's cookie, and the hidden field that must equal it.
async fn begin(stack: &Stack, path: &str) -> (String, Reply) {
    let page = stack.get(path).browser().send().await;
    page.expect(200);
    let cookie = page.header("set-cookie").to_owned();
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"),
        "{cookie}"
    );
    let state = cookie
        .strip_prefix("molt-login-state=")
        .and_then(|rest| rest.split(';').next());
    let state = state.unwrap_or_else(|| panic!("{cookie}")).to_owned();
    assert!(
        page.text().contains(&format!("name=\"state\" value=\"{state}\"")),
        "{}",
        page.text()
    );
    (state, page)
}

async fn sign_in(stack: &Stack, user: &User, cookie: &str, state: &str, next: &str) -> Reply {
    let form = [("state", state), ("user", &user.id), ("next", next)];
    stack
        .post("/login/development")
        .header("cookie", &format!("molt-login-state={cookie}"))
        .form(&form)
        .send()
        .await
}

pub async fn the_page_offers_the_seeded_users(stack: Arc<Stack>) {
    let (_, page) = begin(&stack, "/login?next=%2Fchat").await;
    let html = page.text();
    for name in ["Ada", "Ben"] {
        let user = stack.seeded(name);
        assert!(
            html.contains(&format!("value=\"{}\"", user.id)) && html.contains(name),
            "{html}"
        );
    }
    assert!(html.contains("name=\"next\" value=\"/chat\""), "{html}");
    assert!(
        !html.contains("<script>") && !html.contains(" style="),
        "nothing inline: {html}"
    );
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
}

pub async fn a_login_begun_here_opens_a_session_that_works(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    let (state, _) = begin(&stack, "/login").await;
    let reply = sign_in(&stack, &ada, &state, &state, "/echo?x=1").await;
    assert_eq!(reply.expect(303).header("location"), "/echo?x=1");
    let cookies = reply.all("set-cookie");
    let session = cookies
        .iter()
        .find(|cookie| cookie.starts_with("sb-access-token="))
        .expect("a session");
    assert!(session.contains("; HttpOnly") && session.contains("; SameSite=Lax") && session.contains("; Path=/"));
    assert!(
        cookies.iter().any(|cookie| cookie.starts_with("molt-login-state=;")),
        "the state is used up: {cookies:?}"
    );
    let cookie = session.split(';').next().expect("a pair");
    let page = stack.get("/").browser().header("cookie", cookie).send().await;
    assert!(page.expect(200).text().contains(&ada.id));
}

pub async fn a_login_begun_elsewhere_is_refused(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    let (state, _) = begin(&stack, "/login").await;
    let (other, _) = begin(&stack, "/login").await;
    assert_ne!(state, other, "a state is used once");
    let user = [("user", ada.id.as_str())];
    let refusals = [
        sign_in(&stack, &ada, &state, &other, "/").await,
        sign_in(&stack, &ada, &state, "", "/").await,
        sign_in(&stack, &ada, "", "", "/").await,
        stack
            .post("/login/development")
            .form(&[("state", &state), ("user", &ada.id)])
            .send()
            .await,
        stack
            .post("/login/development")
            .header("cookie", &format!("molt-login-state={state}"))
            .form(&user)
            .send()
            .await,
    ];
    for reply in refusals {
        reply.problem(403, "login_not_begun_here");
        assert!(reply.all("set-cookie").is_empty());
    }
    let nobody = User {
        id: "11111111-1111-4111-8111-111111111111".into(),
        ..ada
    };
    sign_in(&stack, &nobody, &state, &state, "/").await.names_field("user");
}

pub async fn a_foreign_page_cannot_sign_anybody_in(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    let (state, _) = begin(&stack, "/login").await;
    let form = [("state", state.as_str()), ("user", &ada.id)];
    let cookie = format!("molt-login-state={state}");
    for path in ["/login/development", "/auth/callback"] {
        let call = stack
            .post(path)
            .header("cookie", &cookie)
            .header("origin", "https://evil.example")
            .form(&form);
        call.send().await.problem(403, "foreign_origin");
    }
    stack
        .post("/logout")
        .session(&ada)
        .header("origin", "https://evil.example")
        .send()
        .await
        .problem(403, "foreign_origin");
}

pub async fn only_paths_of_ours_are_returned_to(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    for next in [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        "/a\r\nb: c",
    ] {
        let (state, _) = begin(&stack, "/login").await;
        let reply = sign_in(&stack, &ada, &state, &state, next).await;
        assert_eq!(reply.expect(303).header("location"), "/", "{next:?}");
    }
    let (_, page) = begin(&stack, "/login?next=%2F%2Fevil.example").await;
    assert!(page.text().contains("name=\"next\" value=\"/\""), "{}", page.text());
    let (_, page) = begin(&stack, "/login?next=%2F%22%3E%3Cscript%3E").await;
    assert!(!page.text().contains("<script"), "{}", page.text());
}

pub async fn other_hosts_have_no_development_login(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    for host in ["example.com", "localhost.example.com", "192.0.2.1"] {
        let page = raw::exchange(&stack, &format!("GET /login HTTP/1.1\r\nHost: {host}\r\n"), b"").await;
        assert!(
            (400..=503).contains(&page.status) && !page.text().contains(&ada.id),
            "{host}: {}",
            page.text()
        );
        let body = format!("user={}", ada.id);
        let head = format!(
            "POST /login/development HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n",
            body.len()
        );
        let reply = raw::exchange(&stack, &head, body.as_bytes()).await;
        assert_eq!(reply.status, 404, "{host}: {}", reply.text());
        assert_eq!(reply.header("set-cookie"), "");
    }
    let page = raw::exchange(&stack, "GET /login HTTP/1.1\r\nHost: localhost\r\n", b"").await;
    assert!(
        page.status == 200 && page.text().contains(&ada.id),
        "the same on a loopback host: {}",
        page.text()
    );
}

pub async fn logging_out_removes_the_session(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    let reply = stack
        .post("/logout")
        .session(&ada)
        .header("origin", &stack.ready.url)
        .send()
        .await;
    assert_eq!(reply.expect(303).header("location"), "/login");
    let cookies = reply.all("set-cookie");
    for name in ["sb-access-token=;", "__Host-molt-session=;"] {
        let removed = cookies
            .iter()
            .any(|cookie| cookie.starts_with(name) && cookie.contains("Max-Age=0"));
        assert!(removed, "{name} {cookies:?}");
    }
}

pub async fn a_get_does_not_log_out(stack: Arc<Stack>) {
    let page = stack
        .get("/logout")
        .session(&stack.seeded("Ada"))
        .browser()
        .send()
        .await;
    assert!(page.expect(200).text().contains("method=\"post\""));
    assert!(page.all("set-cookie").is_empty());
}
