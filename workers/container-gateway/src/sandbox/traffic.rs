//! The user's HTTP and WebSocket traffic: waits, bounded, until the agent is there, and passes it through untouched.

use super::alarm;
use super::boot;
use super::calls;
use super::ownership::{self, Sent};
use super::refusal::{self, Asker};
use super::waits::{Kind, Waiting};
use crate::boot_page;
use crate::gateway::TIER_HEADER;
use crate::sandbox_do::Sandbox;
use molt_common::control::{PROXY_PORT, header as control_header};
use molt_common::flag::Rank;
use molt_common::id::UserId;
use molt_common::ownership::{MISDIRECTED, OWNER, RANK};
use molt_common::problem::Problem;
use molt_common::sandbox_call::Lifecycle;
use molt_common::time::Millis;
use molt_common::trust::SessionRef;
use molt_lifecycle::ownership::Gate;
use molt_platform::forward::{Outgoing, header};
use molt_platform::{entropy, log, respond};
use serde_json::json;
use std::cell::Cell;
use url::Url;
use web_sys::{Request, Response};
use worker::{Error, Result};

/// Requests that are not a page, and sockets, wait this long for the agent.
const HOLD_MS: u64 = 30_000;
/// A request at which the agent breaks off is repeated this often: longer than sandboxd takes to see that the agent has ended.
const MOST_BROKEN_OFF: u32 = 5;
/// An agent that did not admit a request is asked again after this long: nothing in this object tells when it would.
const ASK_AGAIN_MS: u64 = 100;
/// Who waits for a start looks this often though nothing was changed.
const LOOK_AGAIN_MS: u64 = 1_000;

/// Answers one request of the owner.
pub async fn answer(object: &Sandbox, request: &Request) -> Result<Response> {
    #[cfg(feature = "induced-panic")]
    molt_platform::induced::asked_by(request, "sandbox");
    let rid = header(request, control_header::REQUEST_ID).unwrap_or_default();
    let Some(owner) = header(request, control_header::USER).and_then(|text| UserId::parse(&text).ok()) else {
        return respond::problem(&Problem::internal().request(&rid));
    };
    let known = object.store()?.load()?.owner;
    if known.is_some_and(|known| known != owner) {
        log::error(
            "foreign_owner",
            json!({"requestId": rid, "sandbox": object.state.id().name()}),
        );
        return respond::problem(&Problem::internal().request(&rid));
    }
    let tier = header(request, TIER_HEADER)
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let sent = Sent {
        user: owner,
        tier,
        rank: header(request, RANK)
            .and_then(|text| Rank::parse(&text))
            .unwrap_or_default(),
        request_id: &rid,
    };
    let asker = Asker::of(request, &rid);
    // What has no body can be asked again; the rest may have been read already.
    let repeatable = matches!(request.method().as_str(), "GET" | "HEAD");
    let session = header(request, control_header::SESSION).and_then(|text| SessionRef::parse(&text));
    let mut hold = Hold::from_now();
    let mut broken_off = 0;
    loop {
        // Before anything is started for somebody who has just been shut out.
        if let Some(reason) = object.ended.borrow().refuses(session.as_ref(), hold.arrived) {
            return asker.shut_out(reason);
        }
        let view = match ownership::admit(object, &sent).await? {
            Gate::Elsewhere => return elsewhere(),
            Gate::Wait => ownership::view(object)?,
            Gate::Open => calls::need(object, owner, tier).await?,
        };
        // Right after what it is about.
        let seen = object.waits.version();
        let runs = view.lifecycle == Lifecycle::Running;
        if runs {
            match attempt(object, request, &rid).await? {
                Attempt::Answered(response) => return Ok(response),
                // It is there and ends this exchange each time: no matter of waiting. For a person it is said in a page of ours, which leads on.
                Attempt::BrokenOff(response) if !repeatable || broken_off >= MOST_BROKEN_OFF => {
                    return if asker.reads_pages {
                        asker.refuse(refusal::broke_off())
                    } else {
                        Ok(response)
                    };
                }
                Attempt::BrokenOff(_) => broken_off += 1,
                Attempt::Broken | Attempt::NotReady(_) if asker.wants_page => {}
                Attempt::Broken if !repeatable || hold.is_over() => return asker.refuse(refusal::unreachable()),
                Attempt::NotReady(response) if !repeatable || hold.is_over() => {
                    return if asker.reads_pages {
                        asker.refuse(refusal::unreachable())
                    } else {
                        Ok(response)
                    };
                }
                Attempt::Broken | Attempt::NotReady(_) => {}
            }
        }
        if asker.wants_page && (!runs || broken_off == 0) {
            return boot_page::boot(&boot::shown(object, &boot::doubted(object, view)?)?);
        }
        // A start that failed is the end of it, unless it waits for room.
        let failed = view.lifecycle == Lifecycle::Failed && !view.waits_for_capacity;
        if failed || hold.is_over() {
            return asker.refuse(refusal::not_ready(&view, entropy::now()));
        }
        if !hold.begin(object) {
            return asker.refuse(refusal::too_many());
        }
        hold.wait(object, seen, if runs { ASK_AGAIN_MS } else { LOOK_AGAIN_MS })
            .await;
        if request.signal().aborted() {
            // Nobody reads it; what waits makes room.
            return respond::problem(&refusal::not_ready(&view, entropy::now()).request(&rid));
        }
    }
}

/// The time for which a request waits here.
struct Hold {
    arrived: Millis,
    until: Millis,
    place: Option<Waiting>,
}

impl Hold {
    fn from_now() -> Self {
        let arrived = entropy::now();
        Self {
            arrived,
            until: arrived.plus(HOLD_MS),
            place: None,
        }
    }

    fn is_over(&self) -> bool {
        entropy::now() >= self.until
    }

    /// Takes a place among those who wait; false when there is none.
    fn begin(&mut self, object: &Sandbox) -> bool {
        if self.place.is_none() {
            self.place = object.waits.take(Kind::Held, entropy::now(), self.until).ok();
        }
        self.place.is_some()
    }

    /// Waits for a change after the one that was seen, at most so long.
    async fn wait(&self, object: &Sandbox, seen: u64, most_ms: u64) {
        let next = entropy::now().plus(most_ms);
        object.waits.change(seen, next.min(self.until)).await;
    }
}

/// What ran before answers this one. Nothing of it was done.
pub fn elsewhere() -> Result<Response> {
    respond::with(MISDIRECTED, &[(OWNER, "legacy"), ("cache-control", "no-store")], None)
}

enum Attempt {
    /// By the agent.
    Answered(Response),
    /// By sandboxd: the agent is being started again.
    NotReady(Response),
    /// By sandboxd: the agent broke the exchange. Perhaps it has just ended, perhaps it does so with this request.
    BrokenOff(Response),
    /// By nobody.
    Broken,
}

async fn attempt(object: &Sandbox, request: &Request, rid: &str) -> Result<Attempt> {
    let attempt = match pass(object, request).await {
        Ok(response) => match response.headers().get(control_header::NOT_READY)?.as_deref() {
            None => return Ok(Attempt::Answered(response)),
            Some(control_header::NOT_READY_BROKE_OFF) => Attempt::BrokenOff(response),
            Some(_) => Attempt::NotReady(response),
        },
        Err(error) => {
            log::error(
                "sandbox_did_not_answer",
                json!({"requestId": rid, "error": error.to_string()}),
            );
            Attempt::Broken
        }
    };
    if !matches!(attempt, Attempt::BrokenOff(_)) {
        object.waits.note_not_ready(entropy::now());
    }
    // Have the container looked at now instead of with the next heartbeat.
    alarm::now(object).await?;
    Ok(attempt)
}

async fn pass(object: &Sandbox, request: &Request) -> Result<Response> {
    let url = Url::parse(&request.url()).map_err(|error| Error::RustError(error.to_string()))?;
    let outgoing = Outgoing::new(url.as_str(), request)?;
    outgoing.remove(TIER_HEADER)?;
    outgoing.remove(RANK)?;
    let port = object.container()?.port(PROXY_PORT)?;
    let _counted = InFlight::new(&object.in_flight);
    outgoing.to_fetcher(&port).await
}

/// Counts a request for as long as it is unanswered.
struct InFlight<'a>(&'a Cell<u32>);

impl<'a> InFlight<'a> {
    fn new(count: &'a Cell<u32>) -> Self {
        count.set(count.get().saturating_add(1));
        Self(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
