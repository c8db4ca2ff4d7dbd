//! The admin who calls: who he is, what he may do, and whether his credential still counts.

use crate::control_plane::calls::{NoteUse, ReadBootstrap};
use crate::control_plane::stub;
use crate::respond::Failure;
use axum::extract::FromRequestParts;
use http::request::Parts;
use molt_common::admin_key::KeyId;
use molt_common::audit::Author;
use molt_common::identity::Identity;
use molt_common::problem::Problem;
use molt_common::scope::{self, Scope};
use molt_common::time::Millis;
use molt_platform::{call, entropy, log};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use worker::{Context, Env, Result};

/// `sub` of the bootstrap secret's holder.
const BOOTSTRAP: &str = "bootstrap";
/// `sub` of a key's holder, before the key's id.
const KEY: &str = "key:";
/// Whether the bootstrap secret is switched off is asked again after this long.
const FRESH_MS: u64 = 2_000;
/// The use of a key is noted at most this often.
const NOTE_MS: u64 = 60_000;
/// Keys whose last note an isolate remembers.
const MOST_NOTED: usize = 1_000;

thread_local! {
    // Plain data, never a future: a request must not wait for another one's I/O.
    static BOOTSTRAP_OFF: Cell<Option<(Millis, bool)>> = const { Cell::new(None) };
    static NOTED: RefCell<HashMap<String, Millis>> = RefCell::new(HashMap::new());
}

/// Refuses the bootstrap secret when it is switched off. The router refuses it too, as soon as it knows.
///
/// # Errors
/// When the object does not answer: closed then.
pub async fn bootstrap_counts(env: &Env, identity: &Identity) -> Result<bool> {
    if identity.sub != BOOTSTRAP {
        return Ok(true);
    }
    let now = entropy::now();
    if let Some((at, off)) = BOOTSTRAP_OFF.get()
        && now.since(at) < FRESH_MS
    {
        return Ok(!off);
    }
    let off = call::make(&stub(env)?, &ReadBootstrap {}).await?;
    BOOTSTRAP_OFF.set(Some((now, off)));
    Ok(!off)
}

/// The switch was just turned here.
pub fn bootstrap_switched(off: bool) {
    BOOTSTRAP_OFF.set(Some((entropy::now(), off)));
}

/// Notes that a key was used, behind the answer and seldom. A note that is lost costs a minute of precision.
pub fn note_use(env: &Env, context: &Context, identity: &Identity) {
    let Some(id) = identity.sub.strip_prefix(KEY).and_then(|id| KeyId::parse(id).ok()) else {
        return;
    };
    let now = entropy::now();
    let due = NOTED.with_borrow_mut(|noted| {
        if noted.get(id.as_str()).is_some_and(|at| now.since(*at) < NOTE_MS) {
            return false;
        }
        if noted.len() >= MOST_NOTED {
            noted.clear();
        }
        noted.insert(id.as_str().to_owned(), now);
        true
    });
    if !due {
        return;
    }
    let env = env.clone();
    context.wait_until(async move {
        let note = async { call::make(&stub(&env)?, &NoteUse { id }).await };
        if let Err(error) = note.await {
            log::error("key_use_not_noted", json!({"error": error.to_string()}));
        }
    });
}

/// The principal of a request, for handlers.
pub struct Caller(Identity);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Failure> {
        // The worker's entry puts it there; without one nobody gets in.
        let identity = parts.extensions.get::<Identity>().cloned();
        identity.map(Self).ok_or_else(|| Problem::internal().into())
    }
}

/// What an identity may do; words that are no scope count for nothing.
pub fn scopes(identity: &Identity) -> Vec<Scope> {
    identity.scopes.iter().filter_map(|word| word.parse().ok()).collect()
}

/// 403 that names what is missing.
pub fn missing(wanted: &[Scope]) -> Problem {
    let words: Vec<&str> = wanted.iter().map(|scope| scope.word()).collect();
    Problem::new(
        403,
        "scope_missing",
        format!(
            "This needs the scope {}, which the credential does not have.",
            words.join(" or ")
        ),
    )
}

impl Caller {
    /// For the audit trail.
    pub fn author(&self) -> Author {
        Author {
            actor: self.0.sub.clone(),
            request_id: self.0.rid.clone(),
        }
    }

    /// Whether he may do this.
    pub fn has(&self, wanted: Scope) -> bool {
        scope::permits(&scopes(&self.0), wanted)
    }

    /// Refuses what exceeds the caller's own scopes.
    ///
    /// # Errors
    /// 403 `scope_missing`.
    pub fn must_have(&self, wanted: &[Scope]) -> std::result::Result<(), Problem> {
        let held = scopes(&self.0);
        match wanted.iter().find(|scope| !scope::permits(&held, **scope)) {
            Some(scope) => Err(missing(&[*scope])),
            None => Ok(()),
        }
    }
}
