//! States of sandboxes as people read them: all of them as a table, one of them as lines that say what they mean.

use super::{plain, table};
use crate::client::ClientError;
use molt_common::api::state::{Probe, SandboxState};
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::{ImageChoice, KeepAlive};
use molt_common::time::Millis;
use serde_json::{Value, json};
use std::time::Duration;

const COLUMNS: &[&str] = &[
    "userId",
    "name",
    "lifecycle",
    "phase",
    "generation",
    "observed",
    "sleepsAt",
    "change",
    "error",
];

/// States of sandboxes.
///
/// # Errors
/// [`ClientError::Output`].
pub fn states(entries: &[Value], json: bool) -> Result<(), ClientError> {
    if json {
        return super::line(&Value::from(entries).to_string());
    }
    let rows: Vec<Value> = entries.iter().map(row).collect();
    super::line(&table(COLUMNS, &rows))
}

fn row(entry: &Value) -> Value {
    let mut row = entry.clone();
    let age = entry.get("ageMs").and_then(Value::as_u64);
    row["observed"] = age.map(|ms| format!("{} ago", span(ms))).into();
    row
}

/// State of one sandbox, and what it said when it was asked.
///
/// # Errors
/// [`ClientError::Output`]; [`ClientError::Unexpected`] when the answer is none.
pub fn state(answer: &Value, json: bool) -> Result<(), ClientError> {
    if json {
        return super::line(&json!([answer]).to_string());
    }
    let state: SandboxState = serde_json::from_value(answer.clone())
        .map_err(|_| ClientError::Unexpected("state".into(), answer.to_string()))?;
    super::line(&lines(&told(&state)))
}

/// Names in one column, what is said of each in the other.
fn lines(told: &[(&str, String)]) -> String {
    let width = told.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    told.iter()
        .map(|(name, text)| format!("{name:<width$}  {}", plain(&Value::from(text.as_str()))))
        .collect::<Vec<_>>()
        .join("\n")
}

fn told(state: &SandboxState) -> Vec<(&'static str, String)> {
    let now = Millis::parse_iso(&state.timestamp).unwrap_or_default();
    let ago = |at: &str| Millis::parse_iso(at).map(|at| span(now.since(at)));
    let moment = |at: &String| match Millis::parse_iso(at) {
        Some(then) if then > now => format!("in {} ({at})", span(then.since(now))),
        _ => at.clone(),
    };
    let mut lifecycle = state.lifecycle.word().to_owned();
    if let (Lifecycle::Starting, Some(phase)) = (state.lifecycle, state.phase) {
        lifecycle.push_str(&format!(" ({})", phase.word()));
    }
    if let Some(since) = state.since.as_deref().and_then(ago) {
        lifecycle.push_str(&format!(", for {since}"));
    }
    let mut all = vec![
        (
            "user",
            state
                .name
                .iter()
                .cloned()
                .chain([state.user_id.to_string()])
                .collect::<Vec<_>>()
                .join(" "),
        ),
        ("lifecycle", lifecycle),
        ("starts so far", state.generation.to_string()),
        (
            "observed",
            state.age_ms.map_or("never".into(), |ms| format!("{} ago", span(ms))),
        ),
        (
            "last used",
            state
                .last_active_at
                .as_deref()
                .and_then(ago)
                .map_or("never".into(), |ago| format!("{ago} ago")),
        ),
        ("tier", next(&state.tier, state.next_tier.as_ref())),
        (
            "image",
            match (&state.image, &state.next_image) {
                // Already that one: what it is pinned to is the news.
                (Some(now), Some(choice)) if *now == choice.name => image(choice),
                (now, choice) => next(&now.clone().unwrap_or("-".into()), choice.as_ref().map(image).as_ref()),
            },
        ),
        ("may sleep", keep_alive(state.keep_alive)),
    ];
    let waits = state
        .waits_for_capacity
        .then(|| "for room, and starts by itself".to_owned());
    let further = [
        ("waits", waits),
        ("sleeps", state.sleeps_at.as_ref().map(moment)),
        ("wakes by itself", state.wakes_at.as_ref().map(moment)),
        ("tried again", state.retry_at.as_ref().map(moment)),
        ("sockets", state.open_sockets.map(|open| open.to_string())),
        ("change", state.change.as_ref().map(ToString::to_string)),
        ("error", state.error.clone()),
        ("asked just now", state.probe.as_ref().map(probe)),
    ];
    all.extend(further.into_iter().filter_map(|(name, text)| Some((name, text?))));
    all
}

/// What holds, and what the next start takes where that is something else.
fn next<T: ToString + PartialEq>(now: &T, next: Option<&T>) -> String {
    match next {
        Some(next) if next != now => format!("{}, from the next start on {}", now.to_string(), next.to_string()),
        _ => now.to_string(),
    }
}

/// A choice of an image in one word, and what it is pinned to.
pub fn image(choice: &ImageChoice) -> String {
    match &choice.pinned {
        Some(reference) => format!("{} (pinned to {reference})", choice.name),
        None => choice.name.clone(),
    }
}

/// A policy in words.
pub fn keep_alive(policy: KeepAlive) -> String {
    match policy {
        KeepAlive::Default => "as the deployment says".into(),
        KeepAlive::Always => "never".into(),
        KeepAlive::Idle { seconds } => format!("after {} without activity", span(u64::from(seconds) * 1_000)),
    }
}

fn probe(probe: &Probe) -> String {
    if !probe.reachable {
        return if probe.container {
            "there is a container, and nothing in it answers"
        } else {
            "there is no container"
        }
        .into();
    }
    let mut text = format!("answers in {} ms", probe.latency_ms.unwrap_or_default());
    if let Some(phase) = probe.phase {
        text.push_str(&format!("; phase {}", plain(&json!(phase))));
    }
    for (name, value) in [
        ("agentPid", probe.agent_pid),
        ("agentRestarts", probe.agent_restarts),
        ("openSockets", probe.open_sockets),
        ("runningCommands", probe.running_commands),
    ] {
        if let Some(value) = value {
            text.push_str(&format!(", {name} {value}"));
        }
    }
    if !probe.busy.is_empty() {
        text.push_str(&format!("; busy: {}", probe.busy.join(", ")));
    }
    if let Some(cause) = &probe.cause {
        text.push_str(&format!("; {cause}"));
    }
    text
}

/// A time in its two largest units.
fn span(ms: u64) -> String {
    let exact = match ms {
        0..1_000 => return "less than a second".into(),
        1_000..3_600_000 => 1_000,
        3_600_000..86_400_000 => 60_000,
        _ => 3_600_000,
    };
    humantime::format_duration(Duration::from_millis(ms - ms % exact)).to_string()
}

#[cfg(test)]
mod tests {
    use super::{image, lines, row, told};
    use molt_common::api::state::SandboxState;
    use molt_common::sandbox_change::ImageChoice;
    use serde_json::{Value, json};

    fn state(changes: &Value) -> SandboxState {
        let mut state = json!({
            "userId": "ada00000-0000-4000-8000-000000000001", "name": "Ada", "state": "active", "lifecycle": "running", "phase": "ready",
            "generation": 3, "since": "2026-11-21T16:00:00.000Z", "observedAt": "2026-11-21T16:09:58.000Z", "ageMs": 2_000,
            "lastActiveAt": null, "sleepsAt": null, "image": "stable", "tier": 3, "lastSnapshotAt": null, "error": null,
            "timestamp": "2026-11-21T16:10:00.000Z",
        });
        for (name, value) in changes.as_object().unwrap() {
            state[name] = value.clone();
        }
        serde_json::from_value(state).unwrap()
    }

    #[test]
    fn one_sandbox_is_told_in_lines() {
        let shown = lines(&told(&state(&json!({
            "nextTier": 2, "nextImage": {"name": "canary", "pinned": "r:1"}, "keepAlive": {"policy": "idle", "seconds": 1_800},
            "sleepsAt": "2026-11-21T16:40:00.000Z",
        }))));
        assert_eq!(
            shown,
            "user           Ada ada00000-0000-4000-8000-000000000001\n\
             lifecycle      running, for 10m\n\
             starts so far  3\n\
             observed       2s ago\n\
             last used      never\n\
             tier           3, from the next start on 2\n\
             image          stable, from the next start on canary (pinned to r:1)\n\
             may sleep      after 30m without activity\n\
             sleeps         in 30m (2026-11-21T16:40:00.000Z)"
        );
    }

    #[test]
    fn one_that_waits_or_is_not_there_says_so() {
        let absent = json!({"reachable": false, "container": false, "latencyMs": null, "phase": null, "cause": null, "agentPid": null,
            "agentRestarts": null, "openSockets": null, "runningCommands": null, "lastActiveAt": null, "busy": [], "nextWakeAt": null});
        let shown = lines(&told(&state(&json!({
            "lifecycle": "starting", "phase": "container", "ageMs": null, "waitsForCapacity": true, "error": "no\u{1b}[2J room", "probe": absent,
        }))));
        for part in [
            "starting (container), for 10m",
            "observed        never",
            "waits           for room, and starts by itself",
            "error           no\u{fffd}[2J room",
            "asked just now  there is no container",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn an_image_that_runs_already_is_told_once() {
        let shown = lines(&told(&state(
            &json!({"nextImage": {"name": "stable", "pinned": "r:1"}}),
        )));
        assert!(shown.contains("image          stable (pinned to r:1)\n"), "{shown}");
    }

    #[test]
    fn a_list_says_how_old_each_is() {
        assert_eq!(row(&json!({"ageMs": 61_500}))["observed"], "1m 1s ago");
        assert_eq!(row(&json!({"ageMs": null}))["observed"], Value::Null);
    }

    #[test]
    fn a_followed_image_is_a_word() {
        let choice = ImageChoice {
            name: "canary".into(),
            pinned: None,
        };
        assert_eq!(image(&choice), "canary");
    }
}
