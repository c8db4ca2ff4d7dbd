//! What somebody gets who is not served now: a page for a person, a problem for the rest, and when to come back.

use crate::boot_page;
use molt_common::access;
use molt_common::boot::come_back;
use molt_common::control::SessionEnd;
use molt_common::problem::Problem;
use molt_common::sandbox_call::{Lifecycle, SandboxView};
use molt_common::time::Millis;
use molt_platform::forward::header;
use molt_platform::page::{self, Notice};
use molt_platform::{entropy, respond};
use url::Url;
use web_sys::{Request, Response};
use worker::Result;

/// Seconds: nobody is told to stay away longer, whatever a failed start waits for.
const LONGEST_WAIT_S: u64 = 60;

/// Who asks, as far as it matters for a refusal.
pub struct Asker<'a> {
    pub request: &'a Request,
    /// A browser that navigates, with `GET`.
    pub wants_page: bool,
    /// A browser that navigates in any way: a form is sent by `POST`.
    pub reads_pages: bool,
    pub request_id: &'a str,
}

impl<'a> Asker<'a> {
    /// Of a request.
    pub fn of(request: &'a Request, request_id: &'a str) -> Self {
        let accept = header(request, "accept");
        let upgrade = header(request, "upgrade").is_some();
        Self {
            request,
            wants_page: access::wants_page(&request.method(), accept.as_deref(), upgrade),
            reads_pages: !upgrade && accept.is_some_and(|accept| accept.contains("text/html")),
            request_id,
        }
    }

    /// A refusal.
    pub fn refuse(&self, problem: Problem) -> Result<Response> {
        if !self.reads_pages {
            return respond::problem(&problem.request(self.request_id));
        }
        let here = Url::parse(&self.request.url())
            .ok()
            .map(|url| url[url::Position::BeforePath..url::Position::AfterQuery].to_owned());
        // What was sent by a form is not sent again by a link.
        let again = here.filter(|_| self.wants_page);
        let links = [
            (access::return_path(again.as_deref()), "Try again"),
            (boot_page::RESTART, "Restart your agent"),
            ("/logout", "Sign out"),
        ];
        let mut small = vec![format!("Request {}", self.request_id)];
        if !self.wants_page {
            small.insert(
                0,
                "What you sent may not have been taken: look before you send it again.".into(),
            );
        }
        let notice = Notice {
            title: heading(&problem),
            text: &problem.detail,
            small: &small,
            links: &links,
        };
        let retry = problem.retry_after.map(|seconds| seconds.to_string());
        let extra: Vec<(&str, &str)> = retry.iter().map(|seconds| ("retry-after", seconds.as_str())).collect();
        page::answer(problem.status, &notice.html(), &extra)
    }

    /// Somebody whose session has ended since the router admitted him.
    pub fn shut_out(&self, reason: SessionEnd) -> Result<Response> {
        let problem = Problem::from(reason);
        match reason {
            _ if !self.wants_page => respond::problem(&problem.request(self.request_id)),
            SessionEnd::Suspended => {
                let html = boot_page::no_access(&problem.detail, None, self.request_id);
                page::answer(problem.status, &html, &[])
            }
            SessionEnd::Expired | SessionEnd::SignedOut => {
                respond::with(302, &[("location", "/login"), ("cache-control", "no-store")], None)
            }
        }
    }
}

fn heading(problem: &Problem) -> &str {
    match problem.code.as_str() {
        "no_capacity" => "All places are taken",
        "sandbox_failed" => "Your sandbox could not be started",
        "sandbox_not_ready" | "too_many_waiting" => "Your sandbox is not ready",
        "sandbox_unreachable" => "Your sandbox did not answer",
        "agent_broke_off" => "Your agent broke off",
        _ => &problem.title,
    }
}

/// Seconds after which to come back: from `least` on, spread so that those who are refused together do not come back together.
pub fn back_in(least: u32, spread: u32) -> u32 {
    come_back(least, spread, entropy::bytes().map_or(0, u32::from_le_bytes))
}

/// The time of waiting is over, or nothing comes of it.
pub fn not_ready(view: &SandboxView, now: Millis) -> Problem {
    if view.waits_for_capacity {
        return Problem::new(
            503,
            "no_capacity",
            "All places for sandboxes are taken just now. Yours starts as soon as there is one.",
        )
        .retry_after(back_in(5, 15));
    }
    if view.lifecycle == Lifecycle::Failed {
        let cause = view.cause.as_deref().unwrap_or("The cause is not known.");
        let wait = view
            .retry_at
            .map_or(0, |at| at.since(now))
            .div_ceil(1_000)
            .min(LONGEST_WAIT_S);
        return Problem::new(
            503,
            "sandbox_failed",
            format!(
                "Your sandbox could not be started. {}",
                molt_common::redaction::text(cause)
            ),
        )
        .retry_after(back_in(u32::try_from(wait).unwrap_or(1).max(1), 5));
    }
    let problem = Problem::new(503, "sandbox_not_ready", "Your sandbox is still starting.").retry_after(back_in(2, 5));
    match view.phase {
        Some(phase) => problem.phase(phase.word()),
        None => problem,
    }
}

/// As many wait as may.
pub fn too_many() -> Problem {
    Problem::new(
        503,
        "too_many_waiting",
        "Too many requests wait for your sandbox to start already.",
    )
    .retry_after(back_in(2, 7))
}

/// The agent broke the exchange, as sandboxd says it to a program.
pub fn broke_off() -> Problem {
    Problem::new(
        502,
        "agent_broke_off",
        "Your agent closed the connection without an answer.",
    )
}

/// It did not answer.
pub fn unreachable() -> Problem {
    Problem::new(
        503,
        "sandbox_unreachable",
        "Your sandbox did not answer. Try again in a moment.",
    )
    .retry_after(back_in(1, 4))
}
