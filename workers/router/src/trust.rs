//! The trust snapshot of this isolate: admin keys, ended sessions, suspended users, flags (`molt_common::trust_memory` decides, this performs).
//!
//! The admin worker is asked first, then the copy in KV, then what was known last counts. Neither a dead admin worker nor a dead KV fails a
//! request of a user; without any answer ever, nobody is shut out, and the log says so.

use crate::dispatch::Call;
use futures_util::future::join;
use molt_common::admin_credential;
use molt_common::admin_key::{AdminKey, KeyRecord};
use molt_common::control::SessionEnd;
use molt_common::flag::{FlagOverride, OVERRIDE_KEY};
use molt_common::id::UserId;
use molt_common::identity::{self, Identity, Kind, LIFETIME_MS};
use molt_common::problem::Problem;
use molt_common::trust::{
    END_SESSION_PATH, EndSession, KV_KEY, REFRESH_LIMIT_MS, SNAPSHOT_PATH, SessionRef, TrustSnapshot,
};
use molt_common::trust_memory::{Answer, BEHIND_LIMIT_MS, KeyRuling, LOOK_UP_LIMIT_MS, Refresh, TrustMemory};
use molt_platform::ask::Question;
use molt_platform::{admitted, entropy, kv, log};
use serde_json::json;
use std::cell::RefCell;
use std::time::Duration;
use worker::{Delay, Env, Error, Result};

const SERVICE: &str = "ADMIN_API";
/// Host in the URLs of calls to the admin worker; nobody looks at it.
const HOST: &str = "http://admin.service";
/// What the copy in KV gets of the time that a refresh may take before a decision.
const KV_SHARE_MS: u64 = 100;
/// Somebody waits for this one and can be told that it failed.
const END_SESSION_LIMIT: Duration = Duration::from_secs(3);
/// A key is ruled on at most this often: a wait, a look-up, and what it says.
const MOST_RULINGS: u32 = 6;

thread_local! {
    // Plain data, never a future: a request must not wait for another one's I/O.
    static MEMORY: RefCell<TrustMemory> = RefCell::default();
}

/// Looks at what this isolate holds.
pub fn look<T>(at: impl FnOnce(&TrustMemory) -> T) -> T {
    MEMORY.with_borrow(at)
}

/// Brings what is held up to date, as far as a decision about a user needs it.
pub async fn refresh(call: &Call<'_>) {
    let now = entropy::now();
    let (snapshot, over) = MEMORY.with_borrow_mut(|memory| {
        let snapshot = memory.refresh(now);
        if snapshot == Refresh::Before {
            memory.wake(now);
        }
        (snapshot, memory.refresh_override(now))
    });
    let override_first = async {
        match over {
            Refresh::Nothing => {}
            Refresh::Behind => override_behind(call),
            Refresh::Before => read_override(call.env, KV_SHARE_MS).await,
        }
    };
    let snapshot_first = async {
        match snapshot {
            Refresh::Nothing => {}
            Refresh::Behind => behind(call),
            Refresh::Before => before(call).await,
        }
    };
    join(snapshot_first, override_first).await;
}

async fn before(call: &Call<'_>) {
    if !fetch(call.env, &call.id, REFRESH_LIMIT_MS - KV_SHARE_MS).await {
        copy(call.env, KV_SHARE_MS).await;
        // Perhaps it is only far away: the next request shall find what this one could not wait for.
        if !MEMORY.with_borrow(|memory| memory.is_behind(entropy::now())) {
            behind(call);
        }
    }
    if MEMORY.with_borrow(|memory| memory.snapshot().is_none()) {
        log::error("trust_unknown", json!({"requestId": call.id}));
    }
}

/// Why this session of a user is shut out, as far as is known.
pub fn shuts_out(user: UserId, session: &SessionRef) -> Option<SessionEnd> {
    MEMORY.with_borrow(|memory| memory.snapshot()?.shuts_out(user, session))
}

/// Whether the bootstrap secret is known to be switched off. While nothing is known it passes: the admin worker, which every call with it goes
/// to, asks the truth itself.
pub fn bootstrap_is_off() -> bool {
    MEMORY.with_borrow(|memory| memory.snapshot().is_some_and(|snapshot| snapshot.bootstrap_off))
}

/// Admits an admin key.
///
/// # Errors
/// 403 when it is not good, 503 when nobody can tell.
pub async fn admit(call: &Call<'_>, key: &AdminKey) -> std::result::Result<KeyRecord, Problem> {
    let arrived = entropy::now();
    refresh(call).await;
    for _ in 0..MOST_RULINGS {
        match MEMORY.with_borrow(|memory| memory.rule(key, arrived, entropy::now())) {
            KeyRuling::Admit(record) => return Ok(record),
            KeyRuling::Refuse => {
                log::info("admin_key_refused", json!({"requestId": call.id, "key": key.id()}));
                return Err(admin_credential::wrong());
            }
            KeyRuling::LookUp => {
                fetch(call.env, &call.id, LOOK_UP_LIMIT_MS).await;
            }
            KeyRuling::Wait(ms) => Delay::from(Duration::from_millis(ms)).await,
            KeyRuling::Unavailable => break,
        }
    }
    log::error("trust_unavailable", json!({"requestId": call.id, "key": key.id()}));
    Err(admin_credential::unavailable())
}

/// Ends a session for good. From then on this isolate refuses it; the others within seconds.
///
/// # Errors
/// When the admin worker did not record it.
pub async fn end_session(env: &Env, ended: &EndSession) -> Result<()> {
    let asked_at = entropy::now();
    let body = serde_json::to_string(ended)?;
    let (status, text) = post(env, END_SESSION_PATH, &ended.request_id, &body, END_SESSION_LIMIT).await?;
    if status != 200 {
        return Err(Error::RustError(format!("the admin worker answered {status}")));
    }
    // It is recorded. An answer that cannot be read only means that this isolate learns of it a little later.
    if let Ok(snapshot) = serde_json::from_str(&text) {
        MEMORY.with_borrow_mut(|memory| memory.confirm(Answer::Snapshot(snapshot), asked_at));
    }
    Ok(())
}

/// Puts JSON to the admin worker in the router's own name: `(status, body)`.
///
/// # Errors
/// When there is no whole answer in time.
pub async fn post(env: &Env, path: &str, request_id: &str, body: &str, timeout: Duration) -> Result<(u16, String)> {
    let identity = signed(env, "POST", path, request_id)?;
    Question {
        method: "POST",
        url: &format!("{HOST}{path}"),
        headers: &[(identity::HEADER, &identity), ("content-type", "application/json")],
        body: Some(body),
        timeout,
    }
    .ask_service(env, SERVICE)
    .await
}

/// Refreshes while the request goes on, and after it if need be.
fn behind(call: &Call<'_>) {
    MEMORY.with_borrow_mut(|memory| memory.begin_behind(entropy::now()));
    let (env, id) = (call.env.clone(), call.id.clone());
    call.context.wait_until(async move {
        if !fetch(&env, &id, BEHIND_LIMIT_MS).await {
            copy(&env, BEHIND_LIMIT_MS).await;
        }
        MEMORY.with_borrow_mut(TrustMemory::end_behind);
    });
}

/// Asks the admin worker. Whether it answered in time.
async fn fetch(env: &Env, request_id: &str, limit_ms: u64) -> bool {
    let asked_at = entropy::now();
    let held = MEMORY.with_borrow_mut(|memory| {
        memory.ask(asked_at);
        memory.snapshot().map(|snapshot| snapshot.version)
    });
    match ask(env, request_id, held, Duration::from_millis(limit_ms)).await {
        Ok(answer) => {
            MEMORY.with_borrow_mut(|memory| memory.confirm(answer, asked_at));
            true
        }
        Err(error) => {
            MEMORY.with_borrow_mut(|memory| memory.fail(entropy::now()));
            log::error(
                "trust_not_refreshed",
                json!({"requestId": request_id, "error": error.to_string()}),
            );
            false
        }
    }
}

async fn ask(env: &Env, request_id: &str, held: Option<u64>, timeout: Duration) -> Result<Answer> {
    let identity = signed(env, "GET", SNAPSHOT_PATH, request_id)?;
    let version = held.map(|held| format!("\"{held}\""));
    let mut headers = vec![(identity::HEADER, identity.as_str())];
    if let Some(version) = &version {
        headers.push(("if-none-match", version));
    }
    let question = Question {
        method: "GET",
        url: &format!("{HOST}{SNAPSHOT_PATH}"),
        headers: &headers,
        body: None,
        timeout,
    };
    match (question.ask_service(env, SERVICE).await?, held) {
        ((200, text), _) => Ok(Answer::Snapshot(serde_json::from_str(&text)?)),
        ((304, _), Some(held)) => Ok(Answer::Unchanged(held)),
        ((status, _), _) => Err(Error::RustError(format!("the admin worker answered {status}"))),
    }
}

/// Reads the copy in KV.
async fn copy(env: &Env, limit_ms: u64) {
    let read = async {
        let text = kv::get(env, "CONTROL_KV", KV_KEY, Duration::from_millis(limit_ms)).await?;
        let copy = text
            .map(|text| serde_json::from_str::<TrustSnapshot>(&text))
            .transpose()?;
        Result::<_>::Ok(copy)
    };
    match read.await {
        Ok(Some(copy)) => MEMORY.with_borrow_mut(|memory| memory.fall_back(copy, entropy::now())),
        Ok(None) => {}
        Err(error) => log::error("trust_copy_unreadable", json!({"error": error.to_string()})),
    }
}

/// Reads the operator's override behind the request.
fn override_behind(call: &Call<'_>) {
    MEMORY.with_borrow_mut(|memory| memory.override_age().begin_behind(entropy::now()));
    let env = call.env.clone();
    call.context.wait_until(async move {
        read_override(&env, BEHIND_LIMIT_MS).await;
        MEMORY.with_borrow_mut(|memory| memory.override_age().end_behind());
    });
}

async fn read_override(env: &Env, limit_ms: u64) {
    let asked_at = entropy::now();
    let found = match kv::get(env, "CONTROL_KV", OVERRIDE_KEY, Duration::from_millis(limit_ms)).await {
        Ok(text) => text.and_then(|text| {
            // One that cannot be read is none, for this router as for `ControlPlane`.
            FlagOverride::read(&text, entropy::now())
                .inspect_err(|error| log::error("flag_override_ignored", json!({"error": error.to_string()})))
                .ok()
        }),
        Err(error) => {
            log::error("flag_override_unreadable", json!({"error": error.to_string()}));
            MEMORY.with_borrow_mut(|memory| memory.override_age().fail(entropy::now()));
            return;
        }
    };
    let news = MEMORY.with_borrow_mut(|memory| {
        let before = memory.rank();
        memory.learn_override(found, asked_at);
        (memory.rank() != before).then(|| memory.rank().epoch)
    });
    if let Some(epoch) = news {
        log::info("flag_override_obeyed", json!({"epoch": epoch}));
    }
}

/// The router's own identity for one call.
pub fn signed(env: &Env, method: &str, path: &str, request_id: &str) -> Result<String> {
    let identity = Identity {
        sub: "router".into(),
        kind: Kind::Service,
        scopes: vec![],
        email: None,
        email_verified: None,
        rid: request_id.to_owned(),
        until: entropy::now().plus(LIFETIME_MS).0,
        session_until: None,
        session: None,
        method: method.into(),
        path: path.into(),
    };
    admitted::keys(env)
        .and_then(|keys| keys.sign(&identity))
        .map_err(|error| Error::RustError(error.to_string()))
}
