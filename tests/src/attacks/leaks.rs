//! What a sandbox, an answer or a log must not tell.

use super::{Cast, Ledger};
use crate::reply::Reply;
use molt_common::control::provider::TOKEN_VARIABLE;

/// Looks everywhere a command can look, its own environment and that of every process included.
const LOOK: &str = "env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; cat ~/.openclaw/*.json /tmp/* 2>/dev/null; true";

pub async fn run(ledger: &mut Ledger<'_>, cast: &Cast) {
    let stack = ledger.stack;
    let ada = &cast.ada;
    let mut secrets = stack.secrets.all();
    secrets.extend([
        ada.token.clone(),
        cast.ben.token.clone(),
        cast.reader.clone(),
        cast.maker.clone(),
    ]);
    let shown = |text: &str| secrets.iter().any(|secret| text.contains(secret.as_str()));
    let silent = |reply: &Reply| match shown(&reply.text()) {
        true => Err("a secret is in the answer".to_owned()),
        false => Ok(()),
    };
    let cookies = format!(
        "a=1; sb-access-token={0}; __Host-molt-session={0}; molt-refresh=x; __Host-molt-refresh=x",
        ada.token
    );
    let calls = [
        ("28", "the session cookie", stack.get("/echo").session(ada)),
        (
            "28",
            "every cookie of ours",
            stack.get("/echo").user(ada).header("cookie", &cookies),
        ),
        ("28", "the bearer token", stack.get("/echo").user(ada)),
        (
            "28",
            "the admin secret beside the token",
            stack.get("/echo").user(ada).admin(),
        ),
        (
            "28",
            "an admin key beside the token",
            stack.get("/echo").user(ada).header("x-admin-secret", &cast.reader),
        ),
        (
            "28",
            "Proxy-Authorization",
            stack
                .get("/echo")
                .user(ada)
                .header("proxy-authorization", &format!("Bearer {}", ada.token)),
        ),
    ];
    for (weakness, what, call) in calls {
        let attack = format!("the agent is handed {what}");
        ledger
            .checked(weakness, &attack, &[200], call, "it is not there", &silent)
            .await;
    }
    let seen = stack.sh(ada, LOOK).await;
    // The agent's own: by it the edge knows its start, and it opens nothing else (group providers).
    let own = format!("{TOKEN_VARIABLE}=");
    let internal: Vec<&str> = seen
        .lines()
        .filter(|line| line.starts_with("MOLT_") || line.starts_with("SUPABASE") || line.contains("MASTER_TOKEN"))
        .filter(|line| !line.starts_with(&own))
        .collect();
    let outcome = match shown(&seen) || !internal.is_empty() {
        true => Err(format!("secrets or platform variables are visible: {internal:?}")),
        false => Ok(format!("{} bytes, none", seen.len())),
    };
    ledger.outcome(
        "22",
        "env, /proc/*/environ and cmdline, configuration, inside the sandbox",
        "no platform secret",
        outcome,
    );
    for name in [
        "sb-access-token",
        "__Host-molt-session",
        "__Host-molt-refresh",
        "molt-refresh",
        "molt-login-state",
        "=sb-access-token",
    ] {
        let call = stack.get(&format!("/set-cookie?name={name}")).user(ada);
        let none = |reply: &Reply| match reply.all("set-cookie").is_empty() {
            true => Ok(()),
            false => Err("it was set".to_owned()),
        };
        ledger
            .checked(
                "25",
                &format!("the sandbox sets our cookie {name}"),
                &[200],
                call,
                "not passed on",
                &none,
            )
            .await;
    }
    let quiet = |reply: &Reply| {
        let text = reply.text();
        let words = [
            "SUPABASE",
            "MASTER_TOKEN",
            "MOLT_IDENTITY",
            "panicked",
            "src/",
            "Error:",
            "stack",
        ];
        match words.iter().find(|word| text.contains(**word)) {
            Some(word) => Err(format!("the answer says {word}")),
            None => Ok(()),
        }
    };
    for (what, call) in [
        ("no credential", stack.get("/api/super/users")),
        (
            "a wrong secret",
            stack.get("/api/super/users").header("x-admin-secret", "wrong"),
        ),
        ("a broken token", stack.get("/").bearer("a.b.c")),
        ("a broken body", stack.post(&ada.path("/exec")).admin().body("{")),
        ("an unknown route", stack.get("/api/super/nothing").admin()),
    ] {
        let attack = format!("reading inner texts from the error for {what}");
        ledger
            .checked(
                "31",
                &attack,
                &[400, 401, 403, 404],
                call,
                "names nothing inside",
                &quiet,
            )
            .await;
    }
    let debug = |reply: &Reply| match reply
        .headers
        .keys()
        .find(|name| name.as_str().contains("debug") || name.as_str() == "server")
    {
        Some(name) => Err(format!("{name} is sent")),
        None => Ok(()),
    };
    ledger
        .checked(
            "28",
            "debug headers on a page",
            &[200],
            stack.get("/").user(ada),
            "there are none",
            &debug,
        )
        .await;
}
