//! What a browser sees while its sandbox is not ready. Works without scripts by refreshing itself.

use molt_common::sandbox_call::{Lifecycle, Phase, SandboxView};
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
        }
    }
}

const fn words(lifecycle: Lifecycle, phase: Option<Phase>) -> &'static str {
    match (lifecycle, phase) {
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

/// A page in the gateway's one layout; styles and scripts are the router's assets.
fn layout(title: &str, head: &str, body: &str) -> String {
    let title = respond::escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · Moltworker</title>{head}\
         <link rel=\"icon\" href=\"/_molt/assets/icon.svg\"><link rel=\"stylesheet\" href=\"/_molt/assets/page.css\"></head><body><main><h1>{title}</h1>{body}</main></body></html>"
    )
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
    layout(
        "Opening your sandbox",
        "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>",
        &body,
    )
}

/// A page that says one thing.
pub fn notice(title: &str, text: &str) -> String {
    layout(
        title,
        "",
        &format!(
            "<p>{}</p><p><a href=\"/logout\">Sign out</a></p>",
            respond::escape(text)
        ),
    )
}
