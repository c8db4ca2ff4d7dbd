//! The user's HTTP and WebSocket traffic: waits, bounded, until the agent is there, and passes it through untouched.

use super::alarm;
use super::calls;
use super::ownership::{self, Sent};
use crate::boot_page;
use crate::gateway::TIER_HEADER;
use crate::sandbox_do::Sandbox;
use molt_common::access;
use molt_common::control::{PROXY_PORT, SessionEnd, header as control_header};
use molt_common::flag::Rank;
use molt_common::id::UserId;
use molt_common::ownership::{MISDIRECTED, OWNER, RANK};
use molt_common::problem::Problem;
use molt_common::sandbox_call::{Lifecycle, Phase, SandboxView};
use molt_common::trust::SessionRef;
use molt_lifecycle::ownership::Gate;
use molt_platform::forward::{Outgoing, header};
use molt_platform::{entropy, log, page, respond};
use serde_json::json;
use std::cell::Cell;
use std::time::Duration;
use url::Url;
use web_sys::{Request, Response};
use worker::{Delay, Error, Result};

/// Requests that are not a page, and sockets, wait this long for the agent.
const HOLD_MS: u64 = 30_000;
/// A request at which the agent breaks off is repeated this often: longer than sandboxd takes to see that the agent has ended.
const MOST_BROKEN_OFF: u32 = 5;
const POLL: Duration = Duration::from_millis(100);

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
    let upgrade = header(request, "upgrade").is_some();
    let wants_page = access::wants_page(&request.method(), header(request, "accept").as_deref(), upgrade);
    // What has no body can be asked again; the rest may have been read already.
    let repeatable = matches!(request.method().as_str(), "GET" | "HEAD");
    let session = header(request, control_header::SESSION).and_then(|text| SessionRef::parse(&text));
    let arrived = entropy::now();
    let until = arrived.plus(HOLD_MS);
    let mut broken_off = 0;
    loop {
        // Before anything is started for somebody who has just been shut out.
        if let Some(reason) = object.ended.borrow().refuses(session.as_ref(), arrived) {
            return refused(reason, wants_page, &rid);
        }
        let mut view = match ownership::admit(object, &sent).await? {
            Gate::Elsewhere => return elsewhere(),
            Gate::Wait => ownership::view(object)?,
            Gate::Open => calls::need(object, owner, tier).await?,
        };
        if view.lifecycle == Lifecycle::Running {
            match attempt(object, request, &rid).await? {
                Attempt::Answered(response) => return Ok(response),
                Attempt::Broken if !repeatable || entropy::now() >= until => {
                    return respond::problem(&unreachable().request(&rid));
                }
                Attempt::NotReady(response) if !repeatable || entropy::now() >= until => return Ok(response),
                Attempt::BrokenOff(response) if !repeatable || broken_off >= MOST_BROKEN_OFF => return Ok(response),
                Attempt::BrokenOff(_) => broken_off += 1,
                Attempt::Broken => {}
                // What is stored is older than this answer.
                Attempt::NotReady(_) => (view.lifecycle, view.phase) = (Lifecycle::Starting, Some(Phase::Agent)),
            }
        }
        if wants_page && view.lifecycle != Lifecycle::Running {
            // 503 and not 200: what was asked for is not there yet, and nothing may cache or index this.
            return page::answer(503, &boot_page::boot(view), &[("retry-after", "1")]);
        }
        if view.lifecycle == Lifecycle::Failed || entropy::now() >= until {
            return respond::problem(&not_ready(&view).request(&rid));
        }
        Delay::from(POLL).await;
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
    // Have the container looked at now instead of with the next heartbeat.
    alarm::now(object).await?;
    Ok(attempt)
}

/// Answers a request whose session has ended since the router admitted it.
fn refused(reason: SessionEnd, wants_page: bool, rid: &str) -> Result<Response> {
    let problem = Problem::from(reason);
    match reason {
        _ if !wants_page => respond::problem(&problem.request(rid)),
        SessionEnd::Suspended => page::answer(problem.status, &boot_page::no_access(&problem.detail, None, rid), &[]),
        SessionEnd::Expired | SessionEnd::SignedOut => {
            respond::with(302, &[("location", "/login"), ("cache-control", "no-store")], None)
        }
    }
}

fn not_ready(view: &SandboxView) -> Problem {
    match (view.lifecycle, view.phase) {
        (Lifecycle::Failed, _) => {
            let cause = view.cause.as_deref().unwrap_or("The cause is not known.");
            Problem::new(
                503,
                "sandbox_failed",
                format!("Your sandbox could not be started. {cause}"),
            )
            .retry_after(5)
        }
        (_, phase) => {
            let problem = Problem::new(503, "sandbox_not_ready", "Your sandbox is still starting.").retry_after(3);
            match phase {
                Some(phase) => problem.phase(phase.word()),
                None => problem,
            }
        }
    }
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

fn unreachable() -> Problem {
    Problem::new(
        503,
        "sandbox_unreachable",
        "Your sandbox did not answer. Try again in a moment.",
    )
    .retry_after(2)
}
