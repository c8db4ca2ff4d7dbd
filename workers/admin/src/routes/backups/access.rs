//! Access to a repository for an operator's own restic.

use crate::caller::Caller;
use crate::extract::{OptionalBody, Parameters};
use crate::respond::Failure;
use crate::users;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use molt_common::api::backups::{ACCESS_DEFAULT_S, ACCESS_MAX_S, ACCESS_MIN_S, AccessGranted, AccessRequest};
use molt_common::id::SandboxId;
use molt_common::problem::Problem;
use molt_common::repository_call::GrantRepository;
use molt_common::repository_password::{self, Random};
use molt_common::repository_path::{Item, Kind, Root};
use molt_common::repository_token::Access;
use molt_common::snapshot::REPOSITORY_PATH;
use molt_common::time::Millis;
use molt_platform::{call, entropy};
use worker::{Bucket, Env, Error, Result};

/// restic wants a user name; the repository looks at the password alone.
const USERNAME: &str = "operator";
/// Key files of operators in one repository, of which a listing tells all at once.
const MOST_KEYS: u32 = 1_000;

/// Gives an operator's own restic access to a user's repository for a short time: to read, never to write or remove.
///
/// Whoever has it reads everything that the user ever saved. It is noted in the sandbox's audit trail. Passwords that were given more than an hour ago end
/// with this call.
#[utoipa::path(post, path = "/api/super/users/{id}/backups/access", tag = "backups", request_body = AccessRequest,
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = AccessGranted), (status = 400, body = Problem),
              (status = 404, body = Problem, description = "`unknown_user`, or `no_repository`: nothing was ever saved")))]
#[worker::send]
pub async fn grant(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    OptionalBody(body): OptionalBody<AccessRequest>,
) -> std::result::Result<Response, Failure> {
    let user_id = parameters.user()?;
    let seconds = body.ttl_seconds.unwrap_or(ACCESS_DEFAULT_S);
    if !(ACCESS_MIN_S..=ACCESS_MAX_S).contains(&seconds) {
        let text = format!("must be from {ACCESS_MIN_S} to {ACCESS_MAX_S}");
        return Err(Problem::invalid("ttlSeconds", text).into());
    }
    users::find(&env, user_id).await?;
    let sandbox = SandboxId::personal(user_id);
    let ask = GrantRepository {
        owner: user_id,
        access: Access::Read,
        lifetime_ms: u64::from(seconds) * 1_000,
        by: caller.author(),
    };
    let grant = call::make(&call::sandbox(&env, &sandbox)?, &ask)
        .await?
        .ok_or_else(|| {
            Problem::new(404, "no_repository", format!("Nothing of {user_id} was ever saved.")).labelled("Not found")
        })?;
    let root = Root {
        sandbox: sandbox.clone(),
        incarnation: grant.incarnation,
    };
    let granted = AccessGranted {
        user_id,
        path: format!("{REPOSITORY_PATH}/{sandbox}/restic/"),
        username: USERNAME.into(),
        token: grant.token,
        password: password(&env.bucket("MOLTBOT_BUCKET")?, &root, &grant.key).await?,
        until: grant.until.iso(),
    };
    let mut answer = Json(granted).into_response();
    answer
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// Puts a key file for a new password into the repository, and takes away those of passwords that are over.
async fn password(bucket: &Bucket, root: &Root, key: &str) -> Result<String> {
    let now = entropy::now();
    let random = Random {
        password: entropy::bytes()?,
        salt: entropy::bytes()?,
        nonce: entropy::bytes()?,
    };
    let made = repository_password::password_key(key, &now.iso(), &random)
        .map_err(|error| Error::RustError(error.to_string()))?;
    let keys = bucket
        .list()
        .prefix(root.prefix_of(Kind::Keys))
        .limit(MOST_KEYS)
        .execute()
        .await?;
    let over: Vec<String> = keys
        .objects()
        .iter()
        .filter(|key| now.since(Millis(key.uploaded().as_millis())) > u64::from(ACCESS_MAX_S) * 1_000)
        .map(worker::Object::key)
        .collect();
    if !over.is_empty() {
        bucket.delete_multiple(over).await?;
    }
    let name = Item::Object(Kind::Keys, made.name).key(root);
    bucket.put(name, made.file).execute().await?;
    Ok(made.password)
}
