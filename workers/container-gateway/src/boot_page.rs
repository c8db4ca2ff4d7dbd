//! What a browser sees while its sandbox is not ready. Works without scripts by refreshing itself.

use molt_common::boot::{BootView, Next, Step, StepState};
use molt_common::sandbox_call::Lifecycle;
use molt_platform::page::{self, Notice};
use molt_platform::respond::escape;
use std::fmt::Write as _;
use web_sys::Response;
use worker::Result;

/// Where a user restarts his agent.
pub const RESTART: &str = "/_molt/restart";
/// Seconds between two refreshes of a browser without scripts.
const REFRESH_S: u32 = 2;

/// The boot page as an answer. 503 and not 200: what was asked for is not there yet, and nothing may cache or index this.
pub fn boot(progress: &BootView) -> Result<Response> {
    let retry_s = match (progress.next, progress.retry_in_ms) {
        (Next::Retry, Some(ms)) => ms.div_ceil(1_000).max(1).to_string(),
        _ => "1".to_owned(),
    };
    page::answer(503, &html(progress), &[("retry-after", &retry_s)])
}

fn html(progress: &BootView) -> String {
    let settled = progress.next == Next::Retry;
    let head = if settled {
        String::new()
    } else {
        format!("<noscript><meta http-equiv=\"refresh\" content=\"{REFRESH_S}\"></noscript>")
    };
    let log = progress.log_tail.join("\n");
    let failed = progress.lifecycle == Lifecycle::Failed;
    let mut body = format!(
        "<div id=\"boot\" data-event=\"{event}\" data-next=\"{next}\" data-elapsed-ms=\"{elapsed}\" data-usual-ms=\"{usual}\" \
         data-retry-in-ms=\"{retry}\">\
         <p id=\"text\" role=\"status\" tabindex=\"-1\">{text}</p>\
         <progress id=\"bar\" aria-labelledby=\"text\"{no_bar}></progress>\
         <ol id=\"steps\" class=\"steps\">{steps}</ol>\
         <p id=\"elapsed\" class=\"small\">{time}</p>\
         <p id=\"cause\" class=\"cause\"{no_cause}>{cause}</p>\
         <p id=\"again\"{no_again}>{again}</p>\
         <div id=\"logs\"{no_log}><h2>Last lines of the log</h2><pre id=\"log\" tabindex=\"0\" aria-label=\"Last lines of the log\">{log}</pre></div>",
        event = escape(&progress.event),
        next = if settled { "retry" } else { "watch" },
        elapsed = number(progress.elapsed_ms),
        usual = number(progress.usual_ms),
        retry = number(progress.retry_in_ms),
        text = escape(&progress.text),
        no_bar = hidden(settled),
        steps = progress.steps.iter().map(step).collect::<String>(),
        time = escape(&time(progress)),
        no_cause = hidden(progress.cause.is_none()),
        cause = escape(progress.cause.as_deref().unwrap_or_default()),
        no_again = hidden(!settled),
        again = escape(&again(progress)),
        no_log = hidden(log.is_empty()),
        log = escape(&log),
    );
    // Writing into a string does not fail.
    let _ = write!(
        body,
        "<p id=\"connection\" class=\"small\" role=\"status\"></p>\
         <p class=\"actions\"><a id=\"retry\"{button} href=\"\">{retry}</a>\
         <a id=\"restart\" href=\"{RESTART}\"{no_restart}>Restart your agent</a> <a href=\"/logout\">Sign out</a></p></div>\
         <script src=\"/_molt/assets/boot.js\" defer></script>",
        // While it goes on by itself there is nothing that anybody has to press.
        button = if settled { " class=\"button\"" } else { "" },
        retry = if settled { "Try again now" } else { "Reload this page" },
        no_restart = hidden(!failed),
    );
    page::layout(&progress.title, &head, &body)
}

fn hidden(hidden: bool) -> &'static str {
    if hidden { " hidden" } else { "" }
}

fn number(ms: Option<u64>) -> String {
    ms.map(|ms| ms.to_string()).unwrap_or_default()
}

fn step(step: &Step) -> String {
    let current = if step.state == StepState::Current {
        " aria-current=\"step\""
    } else {
        ""
    };
    let word = match step.state {
        StepState::Done => "done",
        StepState::Current => "now",
        StepState::Failed => "failed",
        StepState::Waiting => "next",
    };
    format!(
        "<li class=\"{}\"{current}>{} <span class=\"small\">{}</span></li>",
        step.state.word(),
        escape(&step.label),
        escape(&format!("{word}{}", duration(step)))
    )
}

fn duration(step: &Step) -> String {
    match (step.state, step.took_ms, step.usual_ms) {
        (StepState::Done, Some(ms), _) => format!(", {}", seconds(ms)),
        (StepState::Current | StepState::Waiting, _, Some(ms)) => format!(", usually {}", seconds(ms)),
        _ => String::new(),
    }
}

fn time(progress: &BootView) -> String {
    match (progress.elapsed_ms, progress.usual_ms) {
        (Some(ms), Some(usual)) => format!("{} so far, usually {}", seconds(ms), seconds(usual)),
        (Some(ms), None) => format!("{} so far", seconds(ms)),
        _ => String::new(),
    }
}

fn again(progress: &BootView) -> String {
    match progress.retry_in_ms {
        Some(ms) if ms > 0 => format!("It can be tried again in {}.", seconds(ms)),
        _ => "It can be tried again now.".to_owned(),
    }
}

/// Whole seconds, rounded up: nobody needs to know it better.
fn seconds(ms: u64) -> String {
    format!("{} s", ms.div_ceil(1_000))
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

#[cfg(test)]
mod tests {
    use super::html;
    use molt_common::boot::{BootView, StartTimes};
    use molt_common::sandbox_call::{Lifecycle, Phase, SandboxView};
    use molt_common::time::Millis;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn page(lifecycle: Lifecycle, phase: Option<Phase>, cause: Option<&str>) -> String {
        let view = SandboxView {
            lifecycle,
            phase,
            since: NOW,
            cause: cause.map(str::to_owned),
            retry_at: cause.map(|_| NOW.plus(8_000)),
            log_tail: cause
                .map(|_| "<script>alert(1)</script>".to_owned())
                .into_iter()
                .collect(),
            ..SandboxView::never_started(1)
        };
        html(&BootView::of(&view, &StartTimes::default(), NOW.plus(2_000)))
    }

    #[test]
    fn without_scripts_it_refreshes_while_something_goes_on_and_stops_on_failure() {
        let starting = page(Lifecycle::Starting, Some(Phase::Agent), None);
        assert!(starting.contains("http-equiv=\"refresh\""), "{starting}");
        assert!(starting.contains("aria-current=\"step\""), "{starting}");
        assert!(
            !starting.contains("Try again") && !starting.contains("class=\"button\""),
            "{starting}"
        );
        assert!(
            starting.contains("<p id=\"elapsed\" class=\"small\">2 s so far</p>"),
            "{starting}"
        );
        for settled in [
            page(Lifecycle::Failed, None, Some("why")),
            page(Lifecycle::Stopped, None, None),
        ] {
            assert!(!settled.contains("http-equiv"), "{settled}");
            assert!(
                settled.contains("class=\"button\" href=\"\">Try again now<"),
                "{settled}"
            );
        }
    }

    #[test]
    fn nothing_that_an_agent_says_becomes_markup() {
        let failed = page(Lifecycle::Failed, None, Some("<img src=x>"));
        assert!(
            failed.contains("&lt;img src=x&gt;") && failed.contains("&lt;script&gt;"),
            "{failed}"
        );
        assert_eq!(failed.matches("<script").count(), 1, "{failed}");
        assert!(failed.contains("It can be tried again in 6 s."), "{failed}");
    }
}
