//! Repositories at the edge: restic's REST protocol (version 2) over R2, and where a snapshot is announced.
//!
//! Reached by sandboxes through the name that their network leads here, and by operators through the router. Neither carries an identity: what
//! counts is the token of the repository (`molt_common::repository_token`), which is looked at before anything else is touched.

mod generation;
mod kept;
mod list;
mod object;
mod publish;
mod refusal;

use crate::repository::refusal::Refusal;
use molt_common::access;
use molt_common::control::header::REQUEST_ID;
use molt_common::id::{self, SandboxId};
use molt_common::problem::Problem;
use molt_common::repository_path::{Operation, RepositoryPath, Root};
use molt_common::repository_token::{RepositoryClaims, RepositoryTokenError};
use molt_platform::bucket::Bucket;
use molt_platform::forward::header;
use molt_platform::unwound::{Panicked, unwound};
use molt_platform::{entropy, log, repository_keys, respond};
use serde_json::json;
use url::Url;
use web_sys::{Request, Response};
use worker::{Env, Result};

/// Binding of the bucket.
const BUCKET: &str = "MOLTBOT_BUCKET";
/// Seconds after which R2 is asked again.
const AGAIN_S: u32 = 2;
/// Longest `Authorization` that is looked at, bytes.
const LONGEST_CREDENTIAL: usize = 4096;

/// A call whose token is good.
pub struct Call<'a> {
    request: &'a Request,
    env: &'a Env,
    bucket: Bucket,
    root: Root,
    claims: RepositoryClaims,
}

/// Answers a call to a repository.
pub async fn answer(request: &Request, env: &Env, url: &Url) -> Result<Response> {
    let request_id = request_id(request)?;
    let answered = unwound(attempt(request, env, url)).await;
    let refusal = match answered {
        Ok(Ok(response)) => return Ok(response),
        Ok(Err(refusal)) => refusal,
        Err(Panicked) => Refusal::Failed("panicked".into()),
    };
    let problem = match refusal {
        Refusal::Problem(problem) => *problem,
        Refusal::Unsatisfiable(size) => {
            let text = format!("The object has {size} bytes, and none of those.");
            let problem = Problem::new(416, "range_not_satisfiable", text).request(&request_id);
            let content_range = format!("bytes */{size}");
            return respond::adorned(&respond::problem(&problem)?, &[("content-range", &content_range)]);
        }
        Refusal::Failed(why) => {
            log::error(
                "repository_failed",
                json!({"requestId": request_id, "method": request.method(), "path": url.path(), "error": why}),
            );
            Problem::new(
                503,
                "repository_unavailable",
                "The storage did not answer as it should. Nothing was stored by halves; try again.",
            )
            .retry_after(AGAIN_S)
        }
    };
    respond::problem(&problem.request(&request_id))
}

async fn attempt(request: &Request, env: &Env, url: &Url) -> std::result::Result<Response, Refusal> {
    let path = RepositoryPath::parse(url.path())?;
    let claims = admitted(request, env, &path.sandbox)?;
    let creates = url
        .query_pairs()
        .any(|(name, value)| name == "create" && value == "true");
    let (operation, access) = path.operation(&request.method(), creates)?;
    claims.may(access).map_err(refused)?;
    let call = Call {
        request,
        env,
        bucket: Bucket::of(env, BUCKET)?,
        root: claims.root(),
        claims,
    };
    match operation {
        // Keys of a bucket need no folders.
        Operation::Create => Ok(respond::with(200, &respond::DATA, None)?),
        Operation::List(kind) => list::answer(&call, kind).await,
        Operation::Stat(item) => object::stat(&call, item).await,
        Operation::Read(item) => object::read(&call, item).await,
        Operation::Write(item) => {
            generation::may_add(&call).await?;
            object::write(&call, item).await
        }
        Operation::Remove(item) => object::remove(&call, item).await,
        Operation::Publish => publish::answer(&call).await,
        Operation::ListKept(user) => kept::list(&call, user, url).await,
        Operation::ReadKept(user) => kept::read(&call, user, url).await,
    }
}

/// What the token of the call says, which must be one for this sandbox.
fn admitted(request: &Request, env: &Env, sandbox: &SandboxId) -> std::result::Result<RepositoryClaims, Problem> {
    let keys = repository_keys::keys(env).map_err(|error| {
        log::error("repository_not_configured", json!({"error": error.to_string()}));
        Problem::new(
            503,
            "repository_not_configured",
            "The repositories' keys of this deployment are not configured.",
        )
    })?;
    let credential = header(request, "authorization").filter(|text| text.len() <= LONGEST_CREDENTIAL);
    let token = credential.as_deref().and_then(access::bearer_or_password);
    let token = token.ok_or_else(|| {
        Problem::new(
            401,
            "authentication_required",
            "Send the repository's token as Authorization: Bearer, or as the password of Basic.",
        )
    })?;
    RepositoryClaims::verify(&keys, &token, sandbox, entropy::now()).map_err(refused)
}

fn refused(error: RepositoryTokenError) -> Problem {
    let (status, code) = match error {
        RepositoryTokenError::NotOurs => (401, "invalid_token"),
        RepositoryTokenError::Ended => (401, "token_ended"),
        RepositoryTokenError::OtherSandbox => (403, "other_sandbox"),
        RepositoryTokenError::Access => (403, "access_denied"),
    };
    Problem::new(status, code, format!("The repository's token {error}."))
}

/// The router's, where the call came through it; a sandbox may say what it likes, so it must look like one.
fn request_id(request: &Request) -> Result<String> {
    let said = header(request, REQUEST_ID).filter(|said| id::is_request_id(said));
    match said {
        Some(said) => Ok(said),
        None => Ok(id::request_id(entropy::bytes()?)),
    }
}
