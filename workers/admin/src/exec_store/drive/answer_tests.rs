use super::*;
use molt_common::api::exec::JobState;
use molt_common::control::ExecStart;
use molt_common::id::UserId;
use molt_common::sandbox_call::{Lifecycle, SandboxView};
use molt_lifecycle::exec::{ExecJob, OVERRUN_MS, TRUTH_MARGIN_MS};
use serde_json::json;

type Tried = std::result::Result<(), Box<dyn std::error::Error>>;

const T0: Millis = Millis(1_800_000_000_000);
const LIMIT_MS: u64 = 1_500;

fn report(state: &str, exit_code: Option<i32>) -> serde_json::Result<ExecReport> {
    serde_json::from_value(json!({
        "execId": "e", "state": state, "exitCode": exit_code, "signal": null, "stdout": "", "stderr": "", "stdoutBytes": 9, "stderrBytes": 0,
        "truncated": false, "startedAt": T0.0, "completedAt": exit_code.map(|_| T0.0 + 1_000), "error": null
    }))
}

/// An answer to a read that brought the first `fetched` bytes.
fn read(report: ExecReport, fetched: u64) -> Result<Answer> {
    Ok(Answer::Exec(Followed {
        output: Some(FollowedOutput {
            pieces: vec![],
            cursor: OutputCursor {
                stdout: fetched,
                stderr: 0,
            },
            more: fetched < report.stdout_bytes,
        }),
        answer: answer(report),
    }))
}

fn silence() -> Result<Answer> {
    Ok(Answer::Exec(Followed {
        answer: ExecAnswer::Unreachable { error: "busy".into() },
        output: None,
    }))
}

/// A command that runs since `T0`.
fn active() -> std::result::Result<Active, Box<dyn std::error::Error>> {
    let start: ExecStart = serde_json::from_value(json!({
        "execId": "e", "command": "true", "timeoutMs": 1_000, "killGraceMs": 500, "maxOutputBytes": 100
    }))?;
    let mut job = ExecJob::new(T0);
    job.turn(&start, T0);
    let view = SandboxView {
        lifecycle: Lifecycle::Running,
        generation: 1,
        since: T0,
        ..SandboxView::never_started(1)
    };
    job.sandbox(&view, T0);
    let turn = job.turn(&start, T0);
    job.answered(&turn, &answer(report("running", None)?), T0);
    assert_eq!(job.state, JobState::Running);
    Ok(Active {
        user_id: UserId::parse("0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11")?,
        tier: 1,
        start,
        job,
        fetched: OutputCursor::default(),
        ending: None,
    })
}

fn hears(active: &mut Active, asked: Result<Answer>, now: Millis) -> JobState {
    let start = active.start.clone();
    let turn = active.job.turn(&start, now);
    tell(active, &turn, asked, now);
    active.job.state
}

#[test]
fn a_first_silence_after_an_outage_does_not_give_up_the_rest_of_the_output() -> Tried {
    let mut active = active()?;
    let ended = T0.plus(1_000);
    assert_eq!(
        hears(&mut active, read(report("failed", Some(7))?, 4), ended),
        JobState::Running
    );
    // The store was away for a while; the sandbox is reached with the second try.
    let back = ended.plus(3 * REST_MS);
    assert_eq!(hears(&mut active, silence(), back), JobState::Running);
    let later = back.plus(REST_MS - 1);
    assert_eq!(hears(&mut active, silence(), later), JobState::Running);
    assert_eq!(
        hears(&mut active, read(report("failed", Some(7))?, 8), later),
        JobState::Running
    );
    // That was an answer: silence begins anew.
    assert_eq!(hears(&mut active, silence(), later.plus(REST_MS)), JobState::Running);
    assert_eq!(hears(&mut active, silence(), later.plus(2 * REST_MS)), JobState::Failed);
    assert_eq!(active.job.exit_code, Some(7));
    Ok(())
}

#[test]
fn an_end_that_was_observed_is_never_told_as_running_too_long() -> Tried {
    let mut active = active()?;
    let late = T0.plus(LIMIT_MS + TRUTH_MARGIN_MS + OVERRUN_MS);
    // First heard after a long outage, with more output than one answer brings.
    let part =
        |fetched| -> std::result::Result<_, serde_json::Error> { Ok(read(report("succeeded", Some(0))?, fetched)) };
    assert_eq!(hears(&mut active, part(4)?, late), JobState::Running);
    // A sandbox that tells of more for ever does not hold it for ever.
    let mut endless = self::active()?;
    assert_eq!(hears(&mut endless, part(4)?, late), JobState::Running);
    assert_eq!(
        hears(&mut endless, part(5)?, late.plus(OVERRUN_MS)),
        JobState::Succeeded
    );
    assert_eq!((endless.job.exit_code, endless.job.error), (Some(0), None));
    assert_eq!(hears(&mut active, part(9)?, late.plus(1)), JobState::Succeeded);
    assert_eq!((active.job.exit_code, active.job.error), (Some(0), None));
    Ok(())
}
