//! What only routers ask, for themselves: where a user is, and that he is to go back to what ran before.

use molt_common::id::{SandboxId, UserId};
use molt_common::identity::Kind;
use molt_common::ownership::{PLACEMENT_PATH, Placement, RELEASE_PATH, Release};
use molt_common::problem::Problem;
use molt_common::sandbox_call::{GetPlacement, ReleaseUser};
use molt_platform::admitted::verified;
use molt_platform::forward::text;
use molt_platform::unwound::{Panicked, unwound};
use molt_platform::{call, log, respond};
use serde_json::json;
use web_sys::{Request, Response};
use worker::{Env, Result};

const LONGEST_BODY: usize = 4 * 1024;

/// Answers one call.
pub async fn answer(request: &Request, env: &Env, path: &str) -> Result<Response> {
    let identity = match verified(request, env, Kind::Service, path) {
        Ok(identity) => identity,
        Err(problem) => return respond::problem(&problem),
    };
    let answered = unwound(placement(request, env, path, &identity.rid)).await;
    match answered.unwrap_or_else(|Panicked| Err("panicked".into())) {
        Ok(Ok(placement)) => respond::json(200, &placement),
        Ok(Err(problem)) => respond::problem(&problem.request(&identity.rid)),
        Err(error) => {
            log::error(
                "internal_failed",
                json!({"requestId": identity.rid, "path": path, "error": error.to_string()}),
            );
            respond::problem(&Problem::internal().request(&identity.rid))
        }
    }
}

async fn placement(
    request: &Request,
    env: &Env,
    path: &str,
    request_id: &str,
) -> Result<std::result::Result<Placement, Problem>> {
    match (request.method().as_str(), path, path.strip_prefix(PLACEMENT_PATH)) {
        ("GET", _, Some(user)) => {
            let user = match UserId::parse(user) {
                Ok(user) => user,
                Err(error) => return Ok(Err(Problem::from(("user", error)))),
            };
            let object = call::sandbox(env, &SandboxId::personal(user))?;
            call::make(&object, &GetPlacement {}).await.map(Ok)
        }
        ("POST", RELEASE_PATH, _) => {
            let body = text(request).await?;
            if body.len() > LONGEST_BODY {
                return Ok(Err(Problem::new(413, "too_large", "The body is too long.")));
            }
            let release: Release = match serde_json::from_str(&body) {
                Ok(release) => release,
                Err(error) => return Ok(Err(Problem::invalid("body", error))),
            };
            let object = call::sandbox(env, &SandboxId::personal(release.user))?;
            let wanted = ReleaseUser {
                release,
                request_id: request_id.to_owned(),
            };
            call::make(&object, &wanted).await.map(Ok)
        }
        _ => Ok(Err(Problem::not_found("Nothing is here."))),
    }
}
