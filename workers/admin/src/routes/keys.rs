//! Admin keys. A key is shown in the answer that makes it, and never again.

use crate::caller::{self, Caller};
use crate::control_plane::calls::{KeepKey, ListKeys, ReadKey, Revocation, RevokeKey, StoredKey, SwitchBootstrap};
use crate::control_plane::stub;
use crate::extract::{JsonBody, KeyPage, Parameters};
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use molt_common::admin_key::{AdminKey, KeyId, KeyRecord};
use molt_common::paging;
use molt_common::problem::Problem;
use molt_common::scope::Scope;
use molt_common::time::Millis;
use molt_platform::{call, entropy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use worker::Env;

const LONGEST_NAME: usize = 100;
const LONGEST_LIFE_MS: u64 = 10 * 366 * 24 * 3600 * 1000;
/// Id under which the bootstrap secret is listed and switched.
const BOOTSTRAP: &str = "bootstrap";

/// A key that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRequest {
    /// What it is for: 1 to 100 characters.
    name: String,
    /// What it may do; no more than its maker.
    scopes: Vec<String>,
    /// End, ISO-8601 with an offset; at most ten years ahead. Neither this nor `expiresInMs`: it does not expire.
    expires_at: Option<String>,
    /// End, in milliseconds from now.
    expires_in_ms: Option<u64>,
}

/// A key without what opens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    /// 16 hexadecimal digits, or `bootstrap`.
    id: String,
    /// What it is for.
    name: String,
    /// What it may do.
    scopes: Vec<String>,
    /// Whether it opens anything now.
    enabled: bool,
    /// ISO-8601; null for the bootstrap secret.
    created_at: Option<String>,
    /// `bootstrap` or `key:<id>`.
    created_by: Option<String>,
    /// ISO-8601; null when it does not expire.
    expires_at: Option<String>,
    /// ISO-8601, to the minute; null when it was never used.
    last_used_at: Option<String>,
    /// ISO-8601; null unless it was revoked.
    revoked_at: Option<String>,
}

/// A new key.
#[derive(Serialize, ToSchema)]
pub struct NewKey {
    #[serde(flatten)]
    view: KeyView,
    /// The whole key. Keep it: it is not shown again.
    key: String,
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyList {
    /// The bootstrap secret first, then keys by id.
    keys: Vec<KeyView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

impl From<StoredKey> for KeyView {
    fn from(key: StoredKey) -> Self {
        let now = entropy::now();
        Self {
            enabled: key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end),
            id: key.id.into(),
            name: key.name,
            scopes: key.scopes.iter().map(|scope| scope.word().to_owned()).collect(),
            created_at: Some(key.created_at.iso()),
            created_by: Some(key.created_by),
            expires_at: key.expires_at.map(Millis::iso),
            last_used_at: key.last_used_at.map(Millis::iso),
            revoked_at: key.revoked_at.map(Millis::iso),
        }
    }
}

fn bootstrap(off: bool) -> KeyView {
    KeyView {
        id: BOOTSTRAP.into(),
        name: "Bootstrap secret (MOLTBOT_GATEWAY_MASTER_TOKEN)".into(),
        scopes: vec![Scope::Everything.word().into()],
        enabled: !off,
        created_at: None,
        created_by: None,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    }
}

impl KeyRequest {
    fn name(&self) -> Result<String, Problem> {
        let name = self.name.trim();
        let length = name.chars().count();
        if length == 0 || length > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(Problem::invalid(
                "name",
                format!("must be 1 to {LONGEST_NAME} printable characters"),
            ));
        }
        Ok(name.to_owned())
    }

    fn scopes(&self) -> Result<Vec<Scope>, Problem> {
        if self.scopes.is_empty() {
            return Err(Problem::invalid("scopes", "must name at least one scope"));
        }
        let mut scopes = Vec::with_capacity(self.scopes.len());
        for (index, word) in self.scopes.iter().enumerate() {
            let scope: Scope = word
                .parse()
                .map_err(|error| Problem::invalid(&format!("scopes[{index}]"), format!("does not fit: {error}")))?;
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        Ok(scopes)
    }

    fn end(&self, now: Millis) -> Result<Option<Millis>, Problem> {
        let (field, end) = match (&self.expires_at, self.expires_in_ms) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(Problem::invalid("expiresInMs", "excludes expiresAt: give one of them")),
            (None, Some(ms)) => ("expiresInMs", now.plus(ms)),
            (Some(text), None) => {
                let end = Millis::parse_iso(text)
                    .ok_or_else(|| Problem::invalid("expiresAt", "is not ISO-8601 such as 2030-01-31T12:00:00Z"))?;
                ("expiresAt", end)
            }
        };
        if end <= now || end.since(now) > LONGEST_LIFE_MS {
            return Err(Problem::invalid(field, "must lie ahead, at most ten years"));
        }
        Ok(Some(end))
    }
}

/// Makes a key. The answer is the only one that shows it.
#[utoipa::path(post, path = "/api/super/keys", tag = "keys", request_body = KeyRequest,
    responses((status = 201, body = NewKey), (status = 400, body = Problem),
              (status = 403, body = Problem, description = "A scope that the caller has not"),
              (status = 409, body = Problem, description = "There are as many keys as there may be")))]
#[worker::send]
pub async fn create(
    State(env): State<Env>,
    caller: Caller,
    JsonBody(request): JsonBody<KeyRequest>,
) -> Result<(StatusCode, Json<NewKey>), Failure> {
    let (name, scopes) = (request.name()?, request.scopes()?);
    let expires_at = request.end(entropy::now())?;
    caller.must_have(&scopes)?;
    let key = AdminKey::new(entropy::bytes()?, entropy::bytes()?);
    let keep = KeepKey {
        record: KeyRecord {
            id: key.id().clone(),
            hash: key.hash(),
            scopes,
            expires_at,
        },
        name,
        author: caller.author(),
    };
    match call::make(&stub(&env)?, &keep).await? {
        Some(stored) => Ok((
            StatusCode::CREATED,
            Json(NewKey {
                view: stored.into(),
                key: key.reveal(),
            }),
        )),
        None => Err(Problem::new(
            409,
            "too_many_keys",
            "There are as many keys as there may be. Revoke some.",
        )
        .into()),
    }
}

/// Lists keys by id, the revoked and expired ones too, and the bootstrap secret.
#[utoipa::path(get, path = "/api/super/keys", tag = "keys",
    params(("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 100 when absent")),
    responses((status = 200, body = KeyList), (status = 400, body = Problem)))]
#[worker::send]
pub async fn list(State(env): State<Env>, page: KeyPage) -> Result<Json<KeyList>, Failure> {
    let list = ListKeys {
        after: page.cursor.clone(),
        limit: paging::rows_to_ask_for(page.limit),
    };
    let found = call::make(&stub(&env)?, &list).await?;
    let (keys, next_cursor) = paging::page(found.keys, page.limit, |key| key.id.to_string());
    let first = page.cursor.is_empty().then(|| bootstrap(found.bootstrap_off));
    let keys = first.into_iter().chain(keys.into_iter().map(KeyView::from)).collect();
    Ok(Json(KeyList { keys, next_cursor }))
}

/// One key.
#[utoipa::path(get, path = "/api/super/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 200, body = KeyView), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn read(State(env): State<Env>, parameters: Parameters) -> Result<Json<KeyView>, Failure> {
    let id = id(&parameters)?;
    let found = call::make(&stub(&env)?, &ReadKey { id: id.clone() }).await?;
    Ok(Json(found.ok_or_else(|| unknown(&id))?.into()))
}

/// Revokes a key. Routers refuse it within 30 s, as a rule within 5. Doing it twice does no harm.
#[utoipa::path(delete, path = "/api/super/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 200, body = KeyView), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "It is the last way in")))]
#[worker::send]
pub async fn revoke(State(env): State<Env>, caller: Caller, parameters: Parameters) -> Result<Json<KeyView>, Failure> {
    let id = id(&parameters)?;
    let revoke = RevokeKey {
        id: id.clone(),
        author: caller.author(),
    };
    match call::make(&stub(&env)?, &revoke).await? {
        Revocation::Revoked { key } => Ok(Json(key.into())),
        Revocation::Unknown => Err(unknown(&id).into()),
        Revocation::LastWayIn => {
            Err(last_way_in("The bootstrap secret is switched off, and no other usable key has the scope *").into())
        }
    }
}

/// Switches the bootstrap secret off. Refused while no usable key has the scope `*`; when the last of them expires, it is on again.
#[utoipa::path(delete, path = "/api/super/keys/bootstrap", tag = "keys",
    responses((status = 200, body = KeyView), (status = 409, body = Problem)))]
#[worker::send]
pub async fn switch_bootstrap_off(State(env): State<Env>, caller: Caller) -> Result<Json<KeyView>, Failure> {
    switch_bootstrap(&env, &caller, true).await
}

/// Switches the bootstrap secret on again.
#[utoipa::path(post, path = "/api/super/keys/bootstrap", tag = "keys", responses((status = 200, body = KeyView)))]
#[worker::send]
pub async fn switch_bootstrap_on(State(env): State<Env>, caller: Caller) -> Result<Json<KeyView>, Failure> {
    switch_bootstrap(&env, &caller, false).await
}

async fn switch_bootstrap(env: &Env, caller: &Caller, off: bool) -> Result<Json<KeyView>, Failure> {
    // It may do everything, so only who may do everything decides about it.
    caller.must_have(&[Scope::Everything])?;
    let switch = SwitchBootstrap {
        off,
        author: caller.author(),
    };
    if !call::make(&stub(env)?, &switch).await? {
        return Err(last_way_in("No usable key has the scope *").into());
    }
    caller::bootstrap_switched(off);
    Ok(Json(bootstrap(off)))
}

fn id(parameters: &Parameters) -> Result<KeyId, Problem> {
    KeyId::parse(parameters.text("id")).map_err(|_| Problem::invalid("id", "must be 16 hexadecimal digits"))
}

fn last_way_in(why: &str) -> Problem {
    let text = format!("{why}: make one first, or nobody could do everything any more.");
    Problem::new(409, "last_way_in", text)
}

fn unknown(id: &KeyId) -> Problem {
    Problem::new(404, "unknown_key", format!("There is no key {id}.")).labelled("Not found")
}
