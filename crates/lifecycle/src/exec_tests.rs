use super::*;
use molt_common::control::{ExecReport, ExecState};
use molt_common::ownership::Placement;
use molt_common::sandbox_call::ExecAnswer;
use proptest::prelude::*;

#[path = "exec_truth_tests.rs"]
mod truth;

const T0: Millis = Millis(1_800_000_000_000);

fn start() -> ExecStart {
    serde_json::from_value(serde_json::json!({
        "execId": "e", "command": "true", "timeoutMs": 30_000, "killGraceMs": 5_000, "maxOutputBytes": 1
    }))
    .unwrap()
}

fn view(lifecycle: Lifecycle, generation: u64) -> SandboxView {
    SandboxView {
        lifecycle,
        generation,
        since: T0,
        cause: Some("boom".into()),
        ..SandboxView::never_started(1)
    }
}

fn report(state: ExecState, exit_code: Option<i32>) -> ExecAnswer {
    ExecAnswer::Report {
        report: Box::new(ExecReport {
            exec_id: "e".into(),
            state,
            exit_code,
            signal: None,
            stdout_bytes: 0,
            stderr_bytes: 0,
            truncated: false,
            started_at: T0.0 + 5,
            completed_at: (state != ExecState::Running).then_some(T0.0 + 9),
            error: None,
        }),
    }
}

fn not_now() -> ExecAnswer {
    ExecAnswer::NotNow { error: "stops".into() }
}

fn unanswered() -> ExecAnswer {
    ExecAnswer::Unreachable { error: "x".into() }
}

/// One turn at `now`, answered at once.
fn exchange(job: &mut ExecJob, answer: &ExecAnswer, now: Millis) -> Next {
    let turn = job.turn(&start(), now);
    job.answered(&turn, answer, now);
    turn.next
}

fn starting() -> ExecJob {
    let mut job = ExecJob::new(T0);
    assert_eq!(job.turn(&start(), T0).next, Next::Wake);
    assert_eq!(job.state, JobState::Waking);
    job.sandbox(&view(Lifecycle::Running, 3), T0);
    assert_eq!(job.next(), Next::Start(3));
    job
}

fn running() -> ExecJob {
    let mut job = starting();
    assert_eq!(
        exchange(&mut job, &report(ExecState::Running, None), T0),
        Next::Start(3)
    );
    assert_eq!(job.next(), Next::Read(3));
    job
}

#[test]
fn a_job_of_somebody_who_is_with_what_ran_before_does_not_wait_for_him() {
    let mut job = ExecJob::new(T0);
    let mut elsewhere = view(Lifecycle::Stopped, 0);
    let placed = |moving| Placement {
        moving,
        owner: Owner::Legacy,
        ..Placement::without_legacy()
    };
    elsewhere.placement = Some(placed(true));
    job.sandbox(&elsewhere, T0);
    assert_eq!(job.state, JobState::Waking);
    elsewhere.placement = Some(placed(false));
    job.sandbox(&elsewhere, T0);
    assert_eq!(job.state, JobState::Rejected);
}

#[test]
fn a_job_of_somebody_who_is_suspended_does_not_wait_for_a_start() {
    let mut job = ExecJob::new(T0);
    job.sandbox(
        &SandboxView {
            shut_out: true,
            ..view(Lifecycle::Stopped, 1)
        },
        T0,
    );
    assert_eq!(job.state, JobState::Rejected);
    assert!(job.error.is_some_and(|error| error.starts_with("user_suspended")));
}

#[test]
fn runs_to_its_true_exit_code() {
    let mut job = running();
    exchange(&mut job, &report(ExecState::Failed, Some(7)), T0.plus(20));
    assert_eq!(
        (job.state, job.exit_code, job.state.status()),
        (JobState::Failed, Some(7), "completed")
    );
    assert_eq!((job.started_at, job.completed_at), (Some(T0), Some(T0.plus(9))));
    assert_eq!(job.next(), Next::Nothing);
}

#[test]
fn waits_for_a_sandbox_that_wakes_and_is_rejected_when_it_never_does() {
    let mut job = ExecJob::new(T0);
    let turn_came = T0.plus(WAKE_DEADLINE_MS * 2);
    job.turn(&start(), turn_came);
    job.sandbox(&view(Lifecycle::Starting, 1), turn_came);
    assert_eq!(
        (job.state, job.next()),
        (JobState::Waking, Next::Wake),
        "waiting for its turn does not count"
    );
    job.sandbox(&view(Lifecycle::Failed, 1), turn_came.plus(WAKE_DEADLINE_MS));
    assert_eq!(job.state, JobState::Rejected);
    assert!(job.error.as_deref().unwrap().contains("boom"));
    assert_eq!(job.exit_code, None);
}

#[test]
fn an_unanswered_hand_over_is_repeated_in_its_generation_and_lost_in_another() {
    let mut job = starting();
    exchange(&mut job, &unanswered(), T0);
    assert_eq!(job.next(), Next::Start(3));
    exchange(&mut job, &ExecAnswer::Ended { generation: 4 }, T0);
    assert_eq!((job.state, job.exit_code), (JobState::Lost, None));
    assert!(job.error.unwrap().contains("may have run"));
}

#[test]
fn a_hand_over_that_was_certainly_refused_goes_on_in_another_generation() {
    for refusals in [vec![], vec![not_now(), not_now()]] {
        let mut job = starting();
        for refusal in refusals {
            assert_eq!(exchange(&mut job, &refusal, T0), Next::Start(3));
        }
        exchange(&mut job, &ExecAnswer::Ended { generation: 4 }, T0);
        assert_eq!(
            (job.state, job.generation, job.next()),
            (JobState::Waking, None, Next::Wake)
        );
        job.sandbox(&view(Lifecycle::Running, 4), T0);
        assert_eq!(job.next(), Next::Start(4));
    }
}

#[test]
fn a_refusal_says_nothing_of_a_try_that_may_still_arrive() {
    let mut job = starting();
    exchange(&mut job, &unanswered(), T0);
    exchange(&mut job, &not_now(), T0.plus(1));
    exchange(&mut job, &ExecAnswer::Ended { generation: 4 }, T0.plus(2));
    assert_eq!(job.state, JobState::Lost);
    // Later it does.
    let mut job = starting();
    exchange(&mut job, &unanswered(), T0);
    exchange(&mut job, &not_now(), T0.plus(CALL_LEASE_MS));
    exchange(
        &mut job,
        &ExecAnswer::Ended { generation: 4 },
        T0.plus(CALL_LEASE_MS + 1),
    );
    assert_eq!(job.state, JobState::Waking);
}

#[test]
fn a_sandbox_that_stays_busy_is_not_waited_for_for_ever() {
    let mut job = starting();
    exchange(&mut job, &not_now(), T0);
    assert_eq!(job.state, JobState::Starting);
    let mut answered_late = job.clone();
    let turn = answered_late.turn(&start(), T0.plus(1));
    answered_late.answered(&turn, &not_now(), T0.plus(HAND_OVER_WINDOW_MS));
    assert_eq!(answered_late.state, JobState::Rejected);
    assert!(answered_late.error.unwrap().contains("stops"));
    assert_eq!(job.turn(&start(), T0.plus(HAND_OVER_WINDOW_MS)).next, Next::Nothing);
    assert_eq!(job.state, JobState::Rejected);
}

#[test]
fn cancel_ends_what_has_not_started_and_asks_for_the_rest() {
    let mut job = ExecJob::new(T0);
    job.cancel(T0);
    assert_eq!(job.state, JobState::Cancelled);
    let mut job = starting();
    job.cancel(T0);
    assert_eq!(job.state, JobState::Cancelled, "bound, and not yet handed over");
    let mut job = running();
    job.cancel(T0);
    assert_eq!((job.state, job.next()), (JobState::Running, Next::Cancel(3)));
    exchange(&mut job, &report(ExecState::Running, None), T0);
    assert_eq!(job.next(), Next::Read(3), "told once, then its end is read");
    let much_later = T0.plus(15_000);
    assert_eq!(
        job.turn(&start(), much_later).next,
        Next::Cancel(3),
        "and told again when it goes on"
    );
    exchange(&mut job, &report(ExecState::Succeeded, Some(0)), T0);
    assert_eq!(
        (job.state, job.exit_code),
        (JobState::Succeeded, Some(0)),
        "it ended by itself first"
    );
}

#[test]
fn cancel_while_a_hand_over_is_in_flight_is_told_when_it_is_certain() {
    let mut job = starting();
    let hand_over = job.turn(&start(), T0);
    job.cancel(T0);
    assert_eq!((job.state, job.next()), (JobState::Starting, Next::Cancel(3)));
    exchange(&mut job, &ExecAnswer::Unknown, T0.plus(1));
    assert_eq!(job.state, JobState::Starting, "it may still arrive");
    // It does, and its answer is overtaken by that of the cancel: only the newer counts.
    let cancel = job.turn(&start(), T0.plus(2));
    job.answered(&hand_over, &report(ExecState::Running, None), T0.plus(3));
    assert_eq!(job.state, JobState::Starting);
    let mut arrived = job.clone();
    arrived.answered(&cancel, &report(ExecState::Cancelled, None), T0.plus(4));
    assert_eq!(arrived.state, JobState::Cancelled);
    // Or it never does.
    job.answered(&cancel, &ExecAnswer::Unknown, T0.plus(4));
    exchange(&mut job, &ExecAnswer::Unknown, T0.plus(CALL_LEASE_MS));
    assert_eq!(job.state, JobState::Cancelled);
    assert!(job.error.unwrap().contains("before it started"));
}
