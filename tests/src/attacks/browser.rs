//! What a foreign page can have a signed-in browser do.

use super::{Cast, Ledger};
use crate::reply::Reply;

const EVIL: &str = "https://evil.example";

pub async fn run(ledger: &mut Ledger<'_>, cast: &Cast) {
    let stack = ledger.stack;
    let ada = &cast.ada;
    let nothing_set = |reply: &Reply| match reply.headers.get_all("set-cookie").iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.contains("session=e") || text.contains("sb-access-token=e"))
    }) {
        true => Err("a session was set".to_owned()),
        false => Ok(()),
    };
    for (what, origin) in [
        ("evil.example", EVIL),
        ("null", "null"),
        ("our name with another port", "http://127.0.0.1:1"),
        ("nonsense", "x"),
    ] {
        let attack = format!("POST with the session from {what}");
        let call = stack.post("/echo").session(ada).header("origin", origin).body("x");
        ledger.answered("25", &attack, &[403], call).await;
        let attack = format!("WebSocket with the session from {what}");
        let handshake = stack
            .handshake("/socket")
            .header("cookie", &format!("sb-access-token={}", ada.token));
        ledger
            .handshake("25", &attack, &[403], handshake.header("origin", origin))
            .await;
    }
    let call = stack
        .post("/echo")
        .session(ada)
        .header("sec-fetch-site", "cross-site")
        .body("x");
    ledger
        .answered(
            "25",
            "POST with the session, Sec-Fetch-Site cross-site, no Origin",
            &[403],
            call,
        )
        .await;
    ledger
        .handshake("25", "WebSocket without a token", &[401], stack.handshake("/socket"))
        .await;
    let call = stack.post("/logout").session(ada).header("origin", EVIL).form(&[]);
    ledger
        .answered("25", "signing somebody out from a foreign page", &[403], call)
        .await;
    let token = [("access_token", ada.token.as_str())];
    let call = stack.post("/auth/callback").form(&token);
    ledger
        .checked(
            "25",
            "login CSRF: a token without a state",
            &[403],
            call,
            "no session",
            &nothing_set,
        )
        .await;
    let call = stack
        .post("/auth/callback?state=x")
        .header("cookie", "molt-login-state=y")
        .form(&token);
    ledger
        .checked(
            "25",
            "login CSRF: the state of another browser",
            &[403],
            call,
            "no session",
            &nothing_set,
        )
        .await;
    let call = stack
        .post("/auth/callback?state=x")
        .header("origin", EVIL)
        .header("cookie", "molt-login-state=x")
        .form(&token);
    ledger
        .checked(
            "25",
            "login CSRF: the callback from a foreign page",
            &[403],
            call,
            "no session",
            &nothing_set,
        )
        .await;
    let planted = format!("/auth/callback?access_token={}&state=x", ada.token);
    let call = stack.get(&planted).browser();
    ledger
        .checked(
            "25",
            "session fixation: a token in the callback's URL",
            &[200],
            call,
            "no session",
            &nothing_set,
        )
        .await;
    for next in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/%2f%2fevil.example",
        "\t//evil.example",
        "/\u{9}/evil.example",
        "javascript:alert(1)",
    ] {
        let encoded: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let attack = format!("open redirect: /login?next={}", next.escape_debug());
        let stays = |reply: &Reply| {
            let text = format!(
                "{} {}",
                reply
                    .headers
                    .get("location")
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default(),
                reply.text()
            );
            let leaves = ["\"//", "\"https://evil", "\"/\\", "javascript:", "value=\"\t"]
                .iter()
                .any(|sign| text.contains(sign));
            if leaves {
                Err("it leads away".to_owned())
            } else {
                Ok(())
            }
        };
        ledger
            .checked(
                "25",
                &attack,
                &[200, 302, 400],
                stack.get(&format!("/login?next={encoded}")).browser(),
                "stays here",
                &stays,
            )
            .await;
    }
    let no_cors = |reply: &Reply| match reply
        .headers
        .keys()
        .find(|name| name.as_str().starts_with("access-control-allow"))
    {
        Some(name) => Err(format!("{name} is sent")),
        None => Ok(()),
    };
    for path in ["/api/super/users", "/echo", "/api/status"] {
        let call = stack
            .call("OPTIONS", path)
            .header("origin", EVIL)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-admin-secret");
        let attack = format!("CORS preflight for {path} from a foreign page");
        ledger
            .checked("31", &attack, &[204, 401, 403, 405], call, "allows nothing", &no_cors)
            .await;
    }
    let call = stack.get("/api/super/users").admin().header("origin", EVIL);
    ledger
        .checked(
            "31",
            "an admin answer for a foreign page",
            &[200],
            call,
            "no CORS headers",
            &no_cors,
        )
        .await;
    let framed = |reply: &Reply| {
        let policy = reply.header("content-security-policy");
        match policy.contains("frame-ancestors 'none'")
            && !policy.contains("unsafe-inline")
            && reply.header("x-content-type-options") == "nosniff"
        {
            true => Ok(()),
            false => Err(format!("policy {policy:?}")),
        }
    };
    ledger
        .checked(
            "26",
            "our sign-in page in a frame, or with inline script",
            &[200],
            stack.get("/login").browser(),
            "a policy forbids it",
            &framed,
        )
        .await;
}
