//! Headers by which a caller poses as the platform or as somebody else.

use super::{Cast, Ledger};
use crate::people::now;
use crate::reply::Reply;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

pub async fn run(ledger: &mut Ledger<'_>, cast: &Cast) {
    let stack = ledger.stack;
    let (ada, ben) = (&cast.ada, &cast.ben);
    // As the router itself would sign it: the worst case, a key that got out.
    let keys = &stack.secrets.identity_keys;
    let kid = keys["current"].as_str().unwrap_or_default();
    let key = keys["keys"][kid].as_str().unwrap_or_default();
    let identity = |kind: &str, sub: &str, path: &str| {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(kid.into());
        let claims = json!({"sub": sub, "kind": kind, "scopes": ["*"], "rid": "r", "until": (now() + 20) * 1000, "method": "GET", "path": path});
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(key.as_bytes())).expect("a token")
    };
    let admin = identity("admin", "bootstrap", "/api/super/users");
    for name in ["x-molt-identity", "X_Molt_Identity"] {
        let attack = format!("{name} as the router signs it, admin");
        ledger
            .answered("-", &attack, &[401], stack.get("/api/super/users").header(name, &admin))
            .await;
    }
    let user = identity("user", &ben.id, "/echo");
    let call = stack.get("/echo").header("x-molt-identity", &user);
    ledger
        .answered("-", "x-molt-identity as the router signs it, user", &[401], call)
        .await;
    let is_ada = |reply: &Reply| {
        let text = reply.text();
        if text.contains(&ben.id) || text.contains("forged") || text.contains("203.0.113.66") {
            return Err("the forged value reached the agent".to_owned());
        }
        match text.contains(&ada.id) {
            true => Ok(()),
            false => Err("another sandbox answered".to_owned()),
        }
    };
    let forged = [
        ("x-molt-identity", user.as_str()),
        ("x-molt-user", &ben.id),
        ("X_Molt_User", &ben.id),
        ("x-molt-session", "sforged"),
        ("x-molt-session-until", "99999999999999"),
        ("x-molt-tier", "forged"),
        ("x-molt-client-ip", "203.0.113.66"),
        ("x-openclaw-user", &ben.id),
        ("X_OpenClaw_User", &ben.id),
        ("x-forwarded-for", "203.0.113.66"),
        ("x-forwarded-user", &ben.id),
        ("x-forwarded-host", "forged.example"),
        ("forwarded", "for=203.0.113.66;host=forged.example"),
        ("x-real-ip", "203.0.113.66"),
        ("true-client-ip", "203.0.113.66"),
        ("cf-ray", "forged"),
        ("x-request-id", "forged"),
    ];
    for (name, value) in forged {
        let attack = format!("{name} of somebody else, twice");
        let call = stack.get("/echo").user(ada).header(name, value).header(name, value);
        ledger
            .checked("28", &attack, &[200], call, "as Ada, unforged", &is_ada)
            .await;
    }
}
