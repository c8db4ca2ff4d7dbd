//! Paths that reach what they should not, and doors that the earlier platform left open.

use super::{Cast, Ledger};
use crate::reply::Reply;

pub async fn run(ledger: &mut Ledger<'_>, cast: &Cast) {
    let stack = ledger.stack;
    let ada = &cast.ada;
    let never_admin = |reply: &Reply| match reply.backend() {
        "admin" => Err("the admin worker answered".to_owned()),
        _ => Ok(()),
    };
    for path in [
        "/api%2fsuper/users",
        "/api%2Fsuper%2Fusers",
        "//api/super/users",
        "/api//super/users",
        "/API/Super/users",
        "/api/super;x=1/users",
        "/api/%73uper/users",
        "/api/super%00/users",
        "/_molt%2fboot/../../api/super%2fusers",
        "/internal/trust",
        "/internal/sessions/end",
        "/api/internal/trust",
    ] {
        let attack = format!("{path} with a user's token");
        ledger
            .checked(
                "-",
                &attack,
                &[400, 401, 404],
                stack.get(path).user(ada),
                "not by admin",
                &never_admin,
            )
            .await;
    }
    ledger
        .answered(
            "-",
            "/x/../api/super/users with a user's token",
            &[401, 403],
            stack.get("/x/../api/super/users").user(ada),
        )
        .await;
    ledger
        .answered(
            "-",
            "/api/super/../../internal/trust as admin",
            &[401, 404],
            stack.get("/api/super/../../internal/trust").admin(),
        )
        .await;
    ledger
        .answered(
            "-",
            "/api/super/%2e%2e/internal/trust as admin",
            &[400, 401, 404],
            stack.get("/api/super/%2e%2e/internal/trust").admin(),
        )
        .await;
    for path in [
        "/debug/env",
        "/debug/admin/users",
        "/debug/version",
        "/api/admin/devices",
        "/cdp?secret=x",
        "/sandbox-health",
        "/internal/trust",
    ] {
        let attack = format!("{path} without any credential");
        ledger.answered("23", &attack, &[401, 404], stack.get(path)).await;
    }
    for path in [
        "/webhooks/x",
        "/api/admin/users",
        "/api/v1/users",
        "/_molt/anything",
        "/_admin/api",
    ] {
        let attack = format!("{path} with a user's token reaches no sandbox");
        let reserved = |reply: &Reply| match reply.text().contains("not found")
            && reply.text().contains("\"status\":\"not found\"")
        {
            true => Err("the agent answered".to_owned()),
            false => Ok(()),
        };
        ledger
            .checked(
                "-",
                &attack,
                &[404],
                stack.get(path).user(ada),
                "not by the agent",
                &reserved,
            )
            .await;
    }
    for path in [
        "/emergency-reset",
        "/gateway/restart",
        "/api/gateway/restart",
        "/force-restart",
        "/force-sync",
        "/logout",
    ] {
        let before = stack.generation(ada).await;
        let status = stack.get(path).session(ada).send().await.status;
        let after = stack.generation(ada).await;
        let serves = stack.get("/echo").session(ada).send().await.status;
        let outcome = match status < 500 && before == after && serves == 200 {
            true => Ok(format!("{status}, generation {after}, session good")),
            false => Err(format!("{status}, generation {before} became {after}, /echo {serves}")),
        };
        ledger.outcome(
            "27",
            &format!("GET {path} by a link, with the session"),
            "nothing changes",
            outcome,
        );
    }
    for path in [
        ada.path("/restart"),
        ada.path("/exec-sync"),
        ada.path("/suspend"),
        ada.path("/reinstate"),
        "/api/super/bulk/exec".into(),
    ] {
        ledger
            .answered("27", &format!("GET on {path}"), &[404, 405], stack.get(&path).admin())
            .await;
    }
}
