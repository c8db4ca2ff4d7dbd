//! Until a restore is finished nobody else writes: one entry beside those of the archive, in any object that is still to be filled, and the object takes no
//! row any more.

use crate::control_plane;
use crate::respond::Failure;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use molt_common::problem::Problem;
use molt_common::recovery::call::{ReadStanding, Standing};
use molt_platform::{call, log};
use serde_json::json;
use std::cell::Cell;
use worker::{Env, Result};

/// What is about one user asks or changes his objects, and many of those calls are noted there, also some that only read.
const OF_A_USER: &str = "/api/super/users/{id}/";
/// Noted as well.
const EXPORT: &str = "/api/super/recovery/export";
/// Calls of the restore itself.
const RESTORE: &str = "/api/super/recovery/restore";

thread_local! {
    // A platform that was restored, or has noted anything of its own, is never restored again. Before that it is asked each time.
    static OVER: Cell<bool> = const { Cell::new(false) };
}

/// Whether a call may be made while a restore is under way.
fn is_harmless(method: &Method, route: &str) -> bool {
    if route.starts_with(RESTORE) {
        return true;
    }
    let reads = method == Method::GET || method == Method::HEAD;
    reads && route != EXPORT && !route.starts_with(OF_A_USER)
}

async fn standing(env: &Env) -> Result<Standing> {
    if OVER.get() {
        return Ok(Standing::Over);
    }
    let standing = call::make(&control_plane::stub(env)?, &ReadStanding {}).await?;
    OVER.set(standing == Standing::Over);
    Ok(standing)
}

/// Stands before every handler, behind the check of scopes.
#[worker::send]
pub async fn check(State(env): State<Env>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if is_harmless(request.method(), route.unwrap_or_default()) {
        return next.run(request).await;
    }
    let refusal = match standing(&env).await {
        Ok(Standing::Possible | Standing::Over) => return next.run(request).await,
        Ok(Standing::UnderWay) => Problem::new(
            409,
            "recovery_under_way",
            "The restore of an archive is under way. Until it is finished nothing else is changed, and nobody's sandbox is asked.",
        ),
        Err(error) => {
            log::error("recovery_unknown", json!({"error": error.to_string()}));
            let text = "Whether the restore of an archive is under way cannot be told just now.";
            Problem::new(503, "recovery_unknown", text).retry_after(2)
        }
    };
    Failure::from(refusal).into_response()
}

#[cfg(test)]
mod tests {
    use super::is_harmless;
    use crate::permission::TABLE;
    use http::Method;

    #[test]
    fn what_writes_or_is_noted_waits_for_the_end_of_a_restore() {
        for (method, route, _) in TABLE {
            let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
            let restores = route.starts_with("/api/super/recovery/restore");
            if method != Method::GET {
                assert_eq!(is_harmless(&method, route), restores, "{method} {route}");
            }
        }
        for noted in [
            "/api/super/recovery/export",
            "/api/super/users/{id}/files",
            "/api/super/users/{id}/files/{*path}",
            "/api/super/users/{id}/export",
        ] {
            assert!(TABLE.iter().any(|(_, route, _)| *route == noted), "{noted}");
            assert!(
                !is_harmless(&Method::GET, noted) && !is_harmless(&Method::HEAD, noted),
                "{noted}"
            );
        }
        for read in [
            "/api/super/recovery",
            "/api/super/users",
            "/api/super/users/{id}",
            "/api/super/audit/verify",
        ] {
            assert!(TABLE.iter().any(|(_, route, _)| *route == read), "{read}");
            assert!(is_harmless(&Method::GET, read), "{read}");
        }
    }
}
