//! Which headers the agent sees. The echo agent shows them all.

use e2e_tests::corpus;
use e2e_tests::people::User;
use e2e_tests::raw;
use e2e_tests::sandbox::Seen;
use e2e_tests::stack::Stack;
use std::sync::Arc;

async fn ada(stack: &Stack) -> User {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    ada
}

pub async fn ordinary_headers_reach_the_agent(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let sent = [
        ("accept-language", "de, en;q=0.5"),
        ("user-agent", "Mozilla/5.0 (test)"),
        ("content-type", "application/x-test"),
        ("range", "bytes=0-4"),
        ("if-none-match", "\"abc\""),
        ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("referer", "https://elsewhere.example/page"),
        ("x-custom", "ä=1; \"two\", three"),
        ("cookie", "theme=dark; sb=1; token=t"),
    ];
    let call = sent.iter().fold(stack.post("/echo").user(&ada), |call, (name, value)| {
        call.header(name, value)
    });
    let seen = Seen::from(call.body("x").send().await);
    for (name, value) in sent {
        let got = seen
            .header(name)
            .unwrap_or_else(|| panic!("{name} is missing in {:?}", seen.names()));
        // Bytes above 127 have no meaning in headers; what counts is that the rest is unharmed.
        if value.is_ascii() {
            assert_eq!(got, value, "{name}");
        } else {
            assert!(got.ends_with("=1; \"two\", three"), "{name}: {got}");
        }
    }
}

pub async fn the_agent_knows_whom_it_serves_and_where(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let reply = stack.get("/echo").user(&ada).send().await;
    let id = reply.request_id().to_owned();
    let seen = Seen::from(reply);
    assert_eq!(seen.header("x-openclaw-user"), Some(ada.id.as_str()));
    assert_eq!(seen.header("host"), Some(stack.authority()));
    assert_eq!(seen.header("x-forwarded-host"), Some(stack.authority()));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-request-id"), Some(id.as_str()));
    let client = seen.header("x-forwarded-for").expect("an address");
    assert!(
        client
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| !address.is_loopback()),
        "{client}"
    );
}

pub async fn no_credential_reaches_the_agent(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let secret = &stack.ready.admin_secret;
    let cookies = format!(
        "a=1; sb-access-token={0}; __Host-molt-session={0}; SB-Access-Token={0}; b=2",
        ada.token
    );
    let calls = [
        stack.get("/echo").session(&ada),
        stack.get("/echo").header("cookie", &cookies),
        stack
            .get("/echo")
            .header("cookie", &cookies)
            .header("cookie", &format!("sb-access-token={}", ada.token)),
        stack.get("/echo").user(&ada).admin(),
        stack
            .get("/echo")
            .user(&ada)
            .header("x_admin_secret", secret)
            .header("X-ADMIN-SECRET", secret),
        stack
            .get("/echo")
            .user(&ada)
            .header("proxy-authorization", &format!("Bearer {}", ada.token)),
    ];
    for call in calls {
        let seen = Seen::from(call.send().await);
        let text = seen.0.to_string();
        for secret in stack.secrets.all().iter().chain([&ada.token]) {
            assert!(
                !text.contains(secret.as_str()),
                "a secret reached the agent among {:?}",
                seen.names()
            );
        }
        let cookie = seen.header("cookie").unwrap_or_default();
        assert!(cookie.is_empty() || cookie == "a=1; b=2", "{cookie}");
        let internal = |name: &String| {
            ["x-molt-", "cf-", "mf-"]
                .iter()
                .any(|prefix| name.replace('_', "-").starts_with(prefix))
        };
        assert!(!seen.names().iter().any(internal), "{:?}", seen.names());
    }
}

pub async fn forged_headers_do_not_reach_the_agent(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let forged: Vec<String> = corpus::entries("forged-headers.txt")
        .into_iter()
        .map(|line| String::from_utf8(line).expect("text"))
        .collect();
    let mut heads: Vec<String> = forged.iter().map(|line| format!("{line}\r\n")).collect();
    // Twice, and all together.
    heads.extend(forged.iter().map(|line| format!("{line}\r\n{line}\r\n")));
    heads.push(forged.iter().map(|line| format!("{line}\r\n")).collect());
    for head in heads {
        let request = format!("GET /echo HTTP/1.1\r\n{head}Authorization: Bearer {}\r\n", ada.token);
        let reply = raw::exchange(&stack, &request, b"").await;
        assert!(
            reply.status == 200 || (400..500).contains(&reply.status),
            "{head}: {}",
            reply.status
        );
        let text = reply.text().to_ascii_lowercase();
        assert!(
            !text.contains("forged") && !text.contains("203.0.113.66"),
            "{head}: {text}"
        );
        if reply.status == 200 {
            assert!(
                text.contains(&format!("[\"x-openclaw-user\",\"{}\"]", ada.id)),
                "{head}: {text}"
            );
        }
    }
}

pub async fn hop_headers_stay_on_their_hop(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let head = format!(
        "GET /echo HTTP/1.1\r\nAuthorization: Bearer {}\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n\
         Proxy-Connection: keep-alive\r\nTrailer: x-sum\r\n",
        ada.token
    );
    let reply = raw::exchange(&stack, &head, b"").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    for name in [
        "keep-alive",
        "te",
        "proxy-connection",
        "trailer",
        "upgrade",
        "transfer-encoding",
    ] {
        assert!(
            !reply.text().contains(&format!("[\"{name}\",")),
            "{name}: {}",
            reply.text()
        );
    }
}
