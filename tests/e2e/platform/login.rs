//! The development sign-in and its session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e_tests::people::User;
use e2e_tests::raw;
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use std::sync::Arc;

/// A sign-in that was begun: value of the cookie, and the state that comes back with the form.
struct Begun {
    cookie: String,
    state: String,
    page: Reply,
}

async fn begin(stack: &Stack, path: &str) -> Begun {
    let page = stack.get(path).browser().send().await;
    page.expect(200);
    let set = page.header("set-cookie").to_owned();
    assert!(set.contains("; HttpOnly") && set.contains("; SameSite=Lax"), "{set}");
    assert!(set.contains("; Max-Age=600"), "ten minutes: {set}");
    let cookie = set
        .strip_prefix("molt-login-state=")
        .and_then(|rest| rest.split(';').next());
    let cookie = cookie.unwrap_or_else(|| panic!("{set}")).to_owned();
    let state = cookie.split('.').next().unwrap_or_default().to_owned();
    assert!(
        page.text().contains(&format!("name=\"state\" value=\"{state}\"")),
        "{}",
        page.text()
    );
    Begun { cookie, state, page }
}

async fn sign_in(stack: &Stack, user: &User, cookies: &str, state: &str) -> Reply {
    stack
        .post("/login/development")
        .header("cookie", cookies)
        .form(&[("state", state), ("user", &user.id)])
        .send()
        .await
}

fn kept(cookie: &str) -> String {
    format!("molt-login-state={cookie}")
}

pub async fn the_page_offers_the_seeded_users(stack: Arc<Stack>) {
    let page = begin(&stack, "/login?next=%2Fchat").await.page;
    let html = page.text();
    for name in ["Ada", "Ben"] {
        let user = stack.seeded(name);
        assert!(
            html.contains(&format!("value=\"{}\"", user.id)) && html.contains(name),
            "{html}"
        );
    }
    assert!(!html.contains("/chat"), "where it leads is in the cookie: {html}");
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
    let begun = begin(&stack, "/login?next=%2Fecho%3Fx%3D1").await;
    let reply = sign_in(&stack, &ada, &kept(&begun.cookie), &begun.state).await;
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
    let (begun, other) = (begin(&stack, "/login").await, begin(&stack, "/login").await);
    assert_ne!(begun.state, other.state, "a state is used once");
    let user = [("user", ada.id.as_str())];
    let (mine, others) = (kept(&begun.cookie), kept(&other.cookie));
    let refusals = [
        sign_in(&stack, &ada, &mine, &other.state).await,
        sign_in(&stack, &ada, &mine, "").await,
        sign_in(&stack, &ada, "a=b", "").await,
        sign_in(&stack, &ada, "a=b", &begun.state).await,
        sign_in(&stack, &ada, "molt-login-state=", "").await,
        // A neighbour on the host planted a second one: which is ours, nobody can tell.
        sign_in(&stack, &ada, &format!("{others}; {mine}"), &begun.state).await,
        sign_in(&stack, &ada, &format!("{mine}; {others}"), &begun.state).await,
        stack
            .post("/login/development")
            .header("cookie", &mine)
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
    sign_in(&stack, &nobody, &mine, &begun.state).await.names_field("user");
}

pub async fn a_foreign_page_cannot_sign_anybody_in(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    let begun = begin(&stack, "/login").await;
    let form = [("state", begun.state.as_str()), ("user", &ada.id)];
    for path in ["/login/development", "/auth/callback"] {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let call = stack.post(path).header("cookie", &kept(&begun.cookie));
            let reply = call.header(name, value).form(&form).send().await;
            reply.problem(403, "foreign_origin");
            assert!(reply.all("set-cookie").is_empty(), "{name}: {value}");
        }
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
    let long = format!("/{}", "a".repeat(4000));
    for next in [
        "//evil.example",
        "///evil.example",
        "https://evil.example/",
        "https:evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\\b",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/\u{a0}/evil.example",
        "／／evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "@evil.example",
        ".evil.example",
        "",
        "/a\r\nb: c",
        "/\0",
        &long,
    ] {
        let query = reqwest::Url::parse_with_params("http://x", [("next", next)]).expect("a URL");
        let begun = begin(&stack, &format!("/login?{}", query.query().unwrap_or_default())).await;
        let reply = sign_in(&stack, &ada, &kept(&begun.cookie), &begun.state).await;
        assert_eq!(reply.expect(303).header("location"), "/", "{next:?}");
    }
    // These stay what they are: a path of this origin. Browsers resolve them against it, whatever is in them.
    let own = reqwest::Url::parse(&stack.ready.url).expect("a URL");
    for next in [
        "/%2f%2fevil.example",
        "/%5cevil.example",
        "/.//evil.example",
        "/@evil.example",
        "/a?b=//evil.example",
        "/%09/evil.example",
    ] {
        let query = reqwest::Url::parse_with_params("http://x", [("next", next)]).expect("a URL");
        let begun = begin(&stack, &format!("/login?{}", query.query().unwrap_or_default())).await;
        let reply = sign_in(&stack, &ada, &kept(&begun.cookie), &begun.state).await;
        let location = reply.expect(303).header("location");
        assert_eq!(location, next);
        assert_eq!(own.join(location).expect("a URL").origin(), own.origin(), "{next}");
    }
    // A cookie that somebody else wrote leads nowhere else either.
    let begun = begin(&stack, "/login").await;
    let (head, _) = begun.cookie.rsplit_once('.').expect("three parts");
    let planted = format!("{head}.{}", URL_SAFE_NO_PAD.encode("//evil.example"));
    let reply = sign_in(&stack, &ada, &kept(&planted), &begun.state).await;
    assert_eq!(reply.expect(303).header("location"), "/");
    let page = begin(&stack, "/login?next=%2F%22%3E%3Cscript%3E").await.page;
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
    // A session of its own: it is over afterwards.
    let ada = stack.another_session(&stack.seeded("Ada"));
    let reply = stack
        .post("/logout")
        .session(&ada)
        .header("origin", &stack.ready.url)
        .send()
        .await;
    assert_eq!(reply.expect(303).header("location"), "/logout");
    assert_eq!(reply.header("clear-site-data"), "\"cache\", \"storage\"");
    let cookies = reply.all("set-cookie");
    for name in [
        "sb-access-token=;",
        "__Host-molt-session=;",
        "molt-refresh=;",
        "__Host-molt-refresh=;",
        "molt-login-state=;",
        "__Host-molt-login-state=;",
    ] {
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
    let after = stack.get("/logout").browser().send().await;
    assert!(after.expect(200).text().contains("You are signed out"));
}
