//! A user restarts his own agent: a page that asks, a POST that does it, and progress until the agent is back. No GET changes anything.

use crate::boot_page::{self, RESTART};
use molt_common::access;
use molt_common::api::JobState;
use molt_common::audit::Author;
use molt_common::boot::GetBoot;
use molt_common::id::{ExecId, UserId};
use molt_common::sandbox_change::{ChangeAnswer, ChangeSandbox, ChangeView, GetChange, RestartScope, Wanted};
use molt_platform::page::{self, Notice};
use molt_platform::respond::{self, escape};
use molt_platform::{call, entropy};
use url::Url;
use web_sys::{Request, Response};
use worker::{Result, Stub};

/// The address that earlier releases had for it.
pub const FORMER: &str = "/emergency-reset";
/// A restart that has not ended after this long has failed.
const TIMEOUT_MS: u64 = 120_000;
/// Query parameter with the restart that is under way.
const CHANGE: &str = "change";
/// Query parameter with the path to go back to.
const BACK: &str = "next";

/// Whose restart it is.
pub struct Asked<'a> {
    pub request: &'a Request,
    pub url: &'a Url,
    pub user: UserId,
    pub tier: u8,
    pub request_id: &'a str,
}

/// `GET|POST` of the page. That a POST comes from a page of ours the router has seen to.
pub async fn answer(asked: &Asked<'_>, stub: &Stub) -> Result<Response> {
    let parameter = |name: &str| {
        let found = asked.url.query_pairs().find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned())
    };
    let back = parameter(BACK);
    let back = access::return_path(back.as_deref());
    let change = parameter(CHANGE).and_then(|id| ExecId::parse(&id).ok());
    match (asked.request.method().as_str(), change) {
        ("POST", _) => restart(asked, stub, back).await,
        (_, Some(change)) => progress(asked, stub, change, back).await,
        (_, None) => question(back),
    }
}

fn question(back: &str) -> Result<Response> {
    let action = address(&[(BACK, back)]);
    let body = format!(
        "<p>Your agent is ended and started again. This takes some seconds; what it is doing now is broken off, and open tabs connect again by \
         themselves.</p><p>Your files, chats and settings stay as they are.</p>\
         <form method=\"post\" action=\"{}\"><button>Restart your agent</button></form><p><a href=\"{}\">Back to your agent</a></p>",
        escape(&action),
        escape(back)
    );
    page::answer(200, &page::layout("Restart your agent", "", &body), &[])
}

async fn restart(asked: &Asked<'_>, stub: &Stub, back: &str) -> Result<Response> {
    let wanted = ChangeSandbox {
        id: ExecId::new(entropy::now(), entropy::bytes()?),
        owner: asked.user,
        tier: asked.tier,
        wanted: Wanted::Restart {
            scope: RestartScope::Agent,
        },
        discard_disk: false,
        parent: None,
        by: Author {
            actor: format!("user:{}", asked.user),
            request_id: asked.request_id.to_owned(),
        },
        request_id: asked.request_id.to_owned(),
        timeout_ms: TIMEOUT_MS,
    };
    let change = match call::make(stub, &wanted).await? {
        ChangeAnswer::Accepted { change } => change.job.local().clone(),
        // Whoever clicks twice sees the one that is under way.
        ChangeAnswer::Busy { job } => job.local().clone(),
        ChangeAnswer::Refused { text, .. } => return refused(asked, 409, &text, back),
        ChangeAnswer::WouldDiscardDisk { .. } | ChangeAnswer::Conflict => {
            return refused(asked, 409, "Your agent cannot be restarted now.", back);
        }
    };
    let to = address(&[(CHANGE, change.as_str()), (BACK, back)]);
    respond::with(303, &[("location", &to), ("cache-control", "no-store")], None)
}

/// How far a restart is; once it is over, the way back.
async fn progress(asked: &Asked<'_>, stub: &Stub, change: ExecId, back: &str) -> Result<Response> {
    match call::make(stub, &GetChange { id: change }).await? {
        Some(ChangeView { state, error, .. }) if state.is_terminal() && state != JobState::Succeeded => {
            let text = error.unwrap_or_else(|| "The cause is not known.".to_owned());
            refused(asked, 503, &molt_common::redaction::text(&text), back)
        }
        Some(change) if !change.state.is_terminal() => {
            let progress = call::make(stub, &GetBoot {}).await?;
            boot_page::boot(&progress)
        }
        // Over, or of long ago.
        Some(_) | None => respond::with(303, &[("location", back), ("cache-control", "no-store")], None),
    }
}

fn refused(asked: &Asked<'_>, status: u16, text: &str, back: &str) -> Result<Response> {
    let notice = Notice {
        title: "Your agent was not restarted",
        text,
        small: &[format!("Request {}", asked.request_id)],
        links: &[(RESTART, "Try again"), (back, "Back to your agent")],
    };
    page::answer(status, &notice.html(), &[])
}

fn address(pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{RESTART}?{query}")
}

/// Whether a path is one of its addresses.
pub fn is_at(path: &str) -> bool {
    matches!(path, RESTART | FORMER)
}
