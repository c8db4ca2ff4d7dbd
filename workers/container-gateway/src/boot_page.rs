//! What a browser sees while its sandbox is not ready. Works without scripts by refreshing itself.

use molt_common::ownership::Owner;
use molt_common::sandbox_call::{Lifecycle, Phase, SandboxView};
use molt_platform::page::{self, Notice};
use molt_platform::respond;
use serde::Serialize;

/// Answer of `/_molt/boot`: how far the caller's sandbox is. Asking wakes nothing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    lifecycle: Lifecycle,
    phase: Option<Phase>,
    generation: u64,
    text: &'static str,
    cause: Option<String>,
    log_tail: Vec<String>,
    /// What ran before serves the caller: nothing will start here.
    elsewhere: bool,
}

impl From<SandboxView> for Progress {
    fn from(view: SandboxView) -> Self {
        Self {
            lifecycle: view.lifecycle,
            phase: view.phase,
            generation: view.generation,
            text: words(view.lifecycle, view.phase),
            cause: view.cause,
            log_tail: view.log_tail,
            elsewhere: view.lifecycle == Lifecycle::Stopped
                && view.placement.is_some_and(|placement| placement.owner == Owner::Legacy),
        }
    }
}

const fn words(lifecycle: Lifecycle, phase: Option<Phase>) -> &'static str {
    match (lifecycle, phase) {
        (Lifecycle::Starting, Some(Phase::Fence)) => "Your agent is moving here from where it ran before…",
        (Lifecycle::Starting, Some(Phase::Restore)) => "Restoring your files…",
        (Lifecycle::Starting, Some(Phase::Configure)) => "Configuring your agent…",
        (Lifecycle::Starting, Some(Phase::Agent | Phase::Ready)) => {
            "Your agent is starting. This takes about ten seconds…"
        }
        (Lifecycle::Starting, _) => "Starting your sandbox…",
        (Lifecycle::Running, _) => "Ready.",
        (Lifecycle::Stopping, _) => "Your sandbox is stopping. It will start again in a moment…",
        (Lifecycle::Failed, _) => "Your sandbox could not be started. Trying again soon…",
        (Lifecycle::Stopped | Lifecycle::Sleeping, _) => "Your sandbox is not running. Reload this page to start it.",
    }
}

/// The boot page.
pub fn boot(view: SandboxView) -> String {
    let progress = Progress::from(view);
    let log = progress.log_tail.join("\n");
    let body = format!(
        "<progress aria-label=\"Starting\"></progress><p id=\"phase\" role=\"status\">{}</p><p id=\"cause\">{}</p>\
         <p class=\"small\"><span id=\"elapsed\"></span></p><pre id=\"log\"{}>{}</pre>\
         <p><a href=\"\">Try now</a> · <a href=\"/logout\">Sign out</a></p><script src=\"/_molt/assets/boot.js\" defer></script>",
        progress.text,
        respond::escape(progress.cause.as_deref().unwrap_or_default()),
        if log.is_empty() { " hidden" } else { "" },
        respond::escape(&log)
    );
    page::layout(
        "Opening your sandbox",
        "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>",
        &body,
    )
}

/// The page of somebody who may have no sandbox. It says who he is: perhaps he only signed in as somebody else than he meant.
pub fn no_access(text: &str, email: Option<&str>, request_id: &str) -> String {
    let mut small = vec![format!("Request {request_id}")];
    if let Some(email) = email {
        small.insert(0, format!("You are signed in as {email}."));
    }
    Notice {
        title: "No access",
        text,
        small: &small,
        links: &[("/logout", "Sign out"), ("/", "Try again")],
    }
    .html()
}
