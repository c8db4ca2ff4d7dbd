use super::*;
use molt_common::ownership::Placement;
use proptest::prelude::*;

const T0: Millis = Millis(1_800_000_000_000);

fn view(lifecycle: Lifecycle, generation: u64) -> SandboxView {
    SandboxView {
        owner: None,
        lifecycle,
        phase: None,
        generation,
        since: T0,
        observed_at: None,
        cause: Some("boom".into()),
        retry_at: None,
        image: None,
        tier: 1,
        log_tail: vec![],
        placement: None,
    }
}

fn report(state: ExecState, exit_code: Option<i32>) -> ExecAnswer {
    ExecAnswer::Report {
        report: Box::new(ExecReport {
            exec_id: "e".into(),
            state,
            exit_code,
            signal: None,
            stdout: String::new(),
            stderr: String::new(),
            stdout_bytes: 0,
            stderr_bytes: 0,
            truncated: false,
            started_at: T0.0 + 5,
            completed_at: (state != ExecState::Running).then_some(T0.0 + 9),
            error: None,
        }),
    }
}

fn running() -> ExecJob {
    let mut job = ExecJob::new(T0);
    assert_eq!(job.next(), Next::Wake);
    job.sandbox(&view(Lifecycle::Running, 3), T0);
    assert_eq!(job.next(), Next::Start(3));
    job.answered(&report(ExecState::Running, None), T0);
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
fn runs_to_its_true_exit_code() {
    let mut job = running();
    job.answered(&report(ExecState::Failed, Some(7)), T0);
    assert_eq!(
        (job.state, job.exit_code, job.state.status()),
        (JobState::Failed, Some(7), "completed")
    );
    assert_eq!(job.completed_at, Some(Millis(T0.0 + 9)));
    assert_eq!(job.next(), Next::Nothing);
}

#[test]
fn waits_for_a_sandbox_that_wakes_and_is_rejected_when_it_never_does() {
    let mut job = ExecJob::new(T0);
    job.sandbox(&view(Lifecycle::Starting, 1), T0);
    assert_eq!((job.state, job.next()), (JobState::Waking, Next::Wake));
    job.sandbox(&view(Lifecycle::Failed, 1), T0.plus(WAKE_DEADLINE_MS));
    assert_eq!(job.state, JobState::Rejected);
    assert!(job.error.as_deref().unwrap().contains("boom"));
    assert_eq!(job.exit_code, None);
}

#[test]
fn an_unanswered_hand_over_is_repeated_in_its_generation_and_lost_in_another() {
    let mut job = ExecJob::new(T0);
    job.sandbox(&view(Lifecycle::Running, 3), T0);
    job.answered(&ExecAnswer::Unreachable { error: "x".into() }, T0);
    assert_eq!(job.next(), Next::Start(3));
    job.answered(&ExecAnswer::Ended { generation: 4 }, T0);
    assert_eq!((job.state, job.exit_code), (JobState::Lost, None));
}

#[test]
fn cancel_ends_what_has_not_started_and_asks_for_the_rest() {
    let mut job = ExecJob::new(T0);
    job.cancel(T0);
    assert_eq!(job.state, JobState::Cancelled);
    let mut job = running();
    job.cancel(T0);
    assert_eq!((job.state, job.next()), (JobState::Running, Next::Cancel(3)));
    job.answered(&report(ExecState::Succeeded, Some(0)), T0);
    assert_eq!(job.state, JobState::Succeeded, "it ended by itself first");
}

fn any_input() -> impl Strategy<Value = (u8, u64)> {
    (0_u8..14, 0_u64..100_000)
}

proptest! {
    #[test]
    fn no_order_of_events_makes_up_a_result(inputs in prop::collection::vec(any_input(), 0..40)) {
        let mut job = ExecJob::new(T0);
        let mut now = T0;
        for (kind, wait) in inputs {
            now = now.plus(wait);
            let before = job.clone();
            match kind {
                0 => job.sandbox(&view(Lifecycle::Running, 1 + wait % 3), now),
                1 => job.sandbox(&view(Lifecycle::Starting, 1), now),
                2 => job.sandbox(&view(Lifecycle::Failed, 1), now),
                3 => job.unreachable("x", now),
                4 => job.cancel(now),
                5 => job.answered(&ExecAnswer::Unknown, now),
                6 => job.answered(&ExecAnswer::Ended { generation: 9 }, now),
                7 => job.answered(&ExecAnswer::Refused { error: "no".into() }, now),
                8 => job.answered(&ExecAnswer::Unreachable { error: "x".into() }, now),
                9 => job.answered(&report(ExecState::Running, None), now),
                10 => job.answered(&report(ExecState::Succeeded, Some(0)), now),
                11 => job.answered(&report(ExecState::Failed, Some(2)), now),
                12 => job.answered(&report(ExecState::TimedOut, None), now),
                _ => job.answered(&report(ExecState::Cancelled, None), now),
            }
            if before.state.is_terminal() {
                prop_assert_eq!(&job, &before, "an end is final");
            }
            prop_assert_eq!(job.state.is_terminal(), job.completed_at.is_some());
            prop_assert_eq!(job.state.is_terminal(), job.next() == Next::Nothing);
            if job.exit_code.is_some() {
                prop_assert!(kind == 10 || kind == 11 || before.exit_code.is_some(), "an exit code was observed");
            }
            if before.generation.is_some() {
                prop_assert_eq!(job.generation, before.generation, "bound to one generation");
            }
        }
    }
}
