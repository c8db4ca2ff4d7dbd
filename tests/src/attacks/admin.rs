//! Ways into the admin API.

use super::{Cast, Ledger};
use serde_json::json;

const USERS: &str = "/api/super/users";
const HEADER: &str = "x-admin-secret";

pub async fn run(ledger: &mut Ledger<'_>, cast: &Cast) {
    let stack = ledger.stack;
    let secret = &stack.ready.admin_secret;
    let refused = [401, 403];
    ledger.answered("19", "no admin secret", &[401], stack.get(USERS)).await;
    ledger
        .answered(
            "19",
            "an empty X-Admin-Secret",
            &[401],
            stack.get(USERS).header(HEADER, ""),
        )
        .await;
    for (what, value) in [
        ("\"undefined\"", "undefined"),
        ("the secret without its first character", &secret[1..]),
        ("the secret and one more character", &format!("{secret}0")),
        ("the secret in capitals", &secret.to_uppercase()),
        ("the secret twice in one header", &format!("{secret}, {secret}")),
        ("a key id with SQL", "molt_' OR 1=1 --_x"),
        (
            "a well-formed key that nobody made",
            &format!("molt_{}_{}", "0".repeat(16), "0".repeat(64)),
        ),
        (
            "the id of a key with another secret",
            &format!("{}{}", &cast.reader[..22], "0".repeat(64)),
        ),
        ("a revoked key", &cast.revoked),
        ("a user's token", &cast.ada.token),
    ] {
        let attack = format!("X-Admin-Secret: {what}");
        ledger
            .answered("20", &attack, &refused, stack.get(USERS).header(HEADER, value))
            .await;
    }
    let call = stack.get(USERS).header(HEADER, "wrong").header(HEADER, secret);
    ledger
        .answered("20", "a wrong secret and the right one beside it", &refused, call)
        .await;
    let in_url = format!("{USERS}?secret={secret}&token={secret}&admin_secret={secret}");
    ledger
        .answered("32", "the admin secret in the URL", &[401], stack.get(&in_url))
        .await;
    let call = stack.get(USERS).header("x_admin_secret", secret);
    ledger
        .answered("-", "X_Admin_Secret with an underscore", &[401], call)
        .await;
    let call = stack
        .get(USERS)
        .header("cookie", &format!("x-admin-secret={secret}; sb-access-token={secret}"));
    ledger.answered("-", "the admin secret in a cookie", &[401], call).await;
    ledger
        .answered(
            "20",
            "a user's session on the admin API",
            &refused,
            stack.get(USERS).session(&cast.ada),
        )
        .await;
    ledger
        .answered(
            "20",
            "a user's token on the admin API",
            &refused,
            stack.get(USERS).user(&cast.ada),
        )
        .await;
    let reader = |method: &str, path: &str| stack.call(method, path).header(HEADER, &cast.reader);
    let names = |scope: &'static str| {
        move |reply: &crate::reply::Reply| match reply.text().contains(scope) {
            true => Ok(()),
            false => Err(format!("{scope} is not named")),
        }
    };
    let exec = cast.ada.path("/exec");
    let call = reader("POST", &exec).json(&json!({"command": "id"}));
    ledger
        .checked(
            "20",
            "fleet:read runs a command",
            &[403],
            call,
            "naming exec:write",
            &names("exec:write"),
        )
        .await;
    let suspend = cast.ada.path("/suspend");
    let call = reader("POST", &suspend).json(&json!({"reason": "attack"}));
    ledger
        .checked(
            "20",
            "fleet:read suspends a user",
            &[403],
            call,
            "naming users:write",
            &names("users:write"),
        )
        .await;
    let flag = "/api/super/flags/USE_NEW_ADMIN_API";
    let kill = json!({"enabled": false, "killed": true, "reason": "attack"});
    for (what, call) in [
        (
            "fleet:read kills a flag",
            reader("PUT", &format!("{flag}?allowOutage=true")).json(&kill),
        ),
        (
            "fleet:read undoes a flag",
            reader("POST", &format!("{flag}/undo?allowOutage=true")),
        ),
        ("fleet:read clears a flag", reader("DELETE", flag)),
    ] {
        let named = names("flags:write");
        ledger
            .checked("20", what, &[403], call, "naming flags:write", &named)
            .await;
    }
    let call = stack.call("PUT", flag).user(&cast.ada).json(&kill);
    ledger
        .answered("20", "a user's token kills a flag", &refused, call)
        .await;
    let body = json!({"name": "mine", "scopes": ["*"]});
    let call = reader("POST", "/api/super/keys").json(&body);
    ledger
        .checked(
            "20",
            "fleet:read makes a key",
            &[403],
            call,
            "naming keys:write",
            &names("keys:write"),
        )
        .await;
    let call = stack.post("/api/super/keys").bearer(&cast.maker).json(&body);
    ledger
        .answered("20", "keys:write makes a key that may do everything", &[403], call)
        .await;
    let body = json!({"name": "mine", "scopes": ["keys:write", "exec:write"]});
    let call = stack.post("/api/super/keys").bearer(&cast.maker).json(&body);
    ledger
        .checked(
            "20",
            "keys:write makes a key with another scope",
            &[403],
            call,
            "naming exec:write",
            &names("exec:write"),
        )
        .await;
    ledger
        .answered(
            "20",
            "fleet:read revokes the bootstrap secret",
            &[403],
            reader("DELETE", "/api/super/keys/bootstrap"),
        )
        .await;
    let call = stack.get("/").header(HEADER, secret);
    ledger
        .answered("20", "the admin secret on a user's page", &[401], call)
        .await;
    let call = stack.get("/api/super/keys").admin();
    let hides = |reply: &crate::reply::Reply| match reply.text() {
        text if text.contains(&cast.reader[22..]) || text.contains("\"hash\"") => {
            Err("a key or its hash is shown".into())
        }
        _ => Ok(()),
    };
    ledger
        .checked(
            "29",
            "reading keys back",
            &[200],
            call,
            "without secret or hash",
            &hides,
        )
        .await;
}
