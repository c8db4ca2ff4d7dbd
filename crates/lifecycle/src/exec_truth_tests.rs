//! Deadlines, answers that prove nothing, what older releases stored, and any order of anything.

use super::*;

#[test]
fn a_job_that_nobody_can_tell_about_is_lost_after_its_own_limits() {
    let mut job = running();
    let deadline = job.deadline().unwrap();
    assert_eq!(deadline, T0.plus(35_000 + TRUTH_MARGIN_MS));
    for _ in 0..5 {
        exchange(&mut job, &unanswered(), Millis(deadline.0 - 1));
    }
    assert_eq!(job.state, JobState::Running, "it may still run");
    exchange(&mut job, &unanswered(), deadline);
    assert_eq!(job.state, JobState::Running, "the silence is young");
    exchange(&mut job, &unanswered(), deadline.plus(SILENCE_MS));
    assert_eq!((job.state, job.exit_code), (JobState::Lost, None));
    assert!(job.error.unwrap().contains("past its time limit"));
}

#[test]
fn one_answer_ends_a_silence() {
    let mut job = running();
    let late = job.deadline().unwrap().plus(SILENCE_MS);
    for _ in 0..5 {
        job.unreachable("x", T0);
    }
    exchange(&mut job, &report(ExecState::Running, None), late);
    exchange(&mut job, &unanswered(), late);
    assert_eq!(job.state, JobState::Running);
    exchange(&mut job, &report(ExecState::TimedOut, None), late);
    assert_eq!(job.state, JobState::TimedOut);
}

#[test]
fn what_runs_on_after_its_limits_is_told_to_stop_and_ends_as_it_is_told() {
    let mut job = running();
    let late = job.deadline().unwrap();
    let asked_before = job.turn(&start(), T0);
    job.answered(&asked_before, &report(ExecState::Running, None), late);
    assert_eq!(job.next(), Next::Read(3), "an old answer proves nothing");
    exchange(&mut job, &report(ExecState::Running, None), late);
    assert_eq!(job.next(), Next::Cancel(3));
    let mut stopped = job.clone();
    exchange(&mut stopped, &report(ExecState::Cancelled, None), late);
    assert_eq!(stopped.state, JobState::Cancelled);
    // What cannot even be killed is not followed for ever.
    exchange(&mut job, &report(ExecState::Running, None), late.plus(OVERRUN_MS));
    assert_eq!(job.state, JobState::Lost);
}

#[test]
fn a_try_that_is_long_past_proves_nothing() {
    let mut job = starting();
    exchange(&mut job, &unanswered(), T0);
    let late = T0.plus(HAND_OVER_WINDOW_MS);
    assert_eq!(
        exchange(&mut job, &unanswered(), late),
        Next::Read(3),
        "handed over no more"
    );
    let mut rejected = job.clone();
    exchange(&mut rejected, &ExecAnswer::Unknown, late);
    assert_eq!(rejected.state, JobState::Rejected);
    // The supervisor may have run it and forgotten it.
    exchange(&mut job, &ExecAnswer::Unknown, T0.plus(REMEMBERED_MS));
    assert_eq!(job.state, JobState::Lost);
}

#[test]
fn a_refusal_after_a_try_in_doubt_may_be_because_of_that_try() {
    let refused = || ExecAnswer::Refused { error: "no".into() };
    let mut job = starting();
    exchange(&mut job, &refused(), T0);
    assert_eq!((job.state, job.error.as_deref()), (JobState::Rejected, Some("no")));
    let mut job = starting();
    exchange(&mut job, &unanswered(), T0);
    exchange(&mut job, &refused(), T0);
    assert_eq!((job.state, job.next()), (JobState::Starting, Next::Read(3)));
    let mut ran = job.clone();
    exchange(&mut ran, &report(ExecState::Succeeded, Some(0)), T0);
    assert_eq!(ran.state, JobState::Succeeded);
    exchange(&mut job, &ExecAnswer::Unknown, T0.plus(CALL_LEASE_MS));
    assert_eq!((job.state, job.error.as_deref()), (JobState::Rejected, Some("no")));
}

#[test]
fn a_refusal_of_a_question_does_not_reject_what_runs() {
    let mut job = running();
    exchange(&mut job, &ExecAnswer::Refused { error: "no".into() }, T0);
    assert_eq!(job.state, JobState::Running);
    exchange(&mut job, &ExecAnswer::Unknown, T0);
    assert_eq!(job.state, JobState::Lost);
}

#[test]
fn a_report_of_another_command_or_without_its_exit_code_is_no_success() {
    let mut job = running();
    let ExecAnswer::Report { mut report } = report(ExecState::Succeeded, Some(0)) else {
        unreachable!()
    };
    report.exec_id = "other".into();
    exchange(&mut job, &ExecAnswer::Report { report }, T0);
    assert_eq!((job.state, job.exit_code), (JobState::Running, None));
    exchange(&mut job, &super::report(ExecState::Succeeded, None), T0);
    assert_eq!((job.state, job.exit_code), (JobState::Lost, None));
}

#[test]
fn clocks_of_sandboxes_are_not_believed_and_ours_may_go_backwards() {
    let mut job = running();
    let ExecAnswer::Report { mut report } = report(ExecState::Failed, Some(1)) else {
        unreachable!()
    };
    (report.started_at, report.completed_at) = (7, Some(u64::MAX));
    exchange(&mut job, &ExecAnswer::Report { report }, Millis(T0.0 - 500));
    assert_eq!((job.started_at, job.completed_at), (Some(T0), Some(T0)));
    let mut early = ExecJob::new(T0);
    early.cancel(Millis(1));
    assert_eq!(early.completed_at, Some(T0), "no end lies before the submission");
}

/// As the release before stored it.
fn stored(state: &str, generation: Option<u64>) -> ExecJob {
    serde_json::from_value(serde_json::json!({
        "state": state, "created_at": T0, "started_at": null, "completed_at": null, "generation": generation,
        "exit_code": null, "signal": null, "error": null, "cancel_wanted": false
    }))
    .unwrap()
}

#[test]
fn a_job_of_the_release_before_may_have_been_handed_over() {
    let mut job = stored("starting", Some(3));
    assert_eq!(
        exchange(&mut job, &ExecAnswer::Ended { generation: 4 }, T0),
        Next::Start(3)
    );
    assert_eq!(job.state, JobState::Lost);
    let mut job = stored("starting", Some(3));
    job.cancel(T0);
    assert_eq!((job.state, job.next()), (JobState::Starting, Next::Cancel(3)));
    exchange(&mut job, &ExecAnswer::Unknown, T0.plus(CALL_LEASE_MS));
    assert_eq!(job.state, JobState::Starting, "nobody knows when it was tried last");
    exchange(&mut job, &ExecAnswer::Unknown, T0.plus(REMEMBERED_MS));
    assert_eq!(job.state, JobState::Lost);
    let mut job = stored("queued", None);
    job.turn(&start(), T0);
    job.sandbox(&view(Lifecycle::Running, 5), T0);
    exchange(&mut job, &report(ExecState::Succeeded, Some(0)), T0);
    assert_eq!(job.state, JobState::Succeeded);
    let mut job = stored("running", Some(3));
    exchange(&mut job, &report(ExecState::Failed, Some(2)), T0);
    assert_eq!((job.state, job.exit_code), (JobState::Failed, Some(2)));
}

fn any_input() -> impl Strategy<Value = (u8, u64, bool)> {
    (0_u8..15, 0_u64..100_000, any::<bool>())
}

proptest! {
    #[test]
    fn no_order_of_events_makes_up_a_result(inputs in prop::collection::vec(any_input(), 0..40)) {
        let mut job = ExecJob::new(T0);
        let mut now = T0;
        let mut turn = job.turn(&start(), now);
        for (kind, wait, again) in inputs {
            now = now.plus(wait);
            if !again {
                turn = job.turn(&start(), now);
            }
            job = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
            let before = job.clone();
            let mut answered = |answer: &ExecAnswer| job.answered(&turn, answer, now);
            match kind {
                0 => job.sandbox(&view(Lifecycle::Running, 1 + wait % 3), now),
                1 => job.sandbox(&view(Lifecycle::Starting, 1), now),
                2 => job.sandbox(&view(Lifecycle::Failed, 1), now),
                3 => job.unreachable("x", now),
                4 => job.cancel(now),
                5 => answered(&ExecAnswer::Unknown),
                6 => answered(&ExecAnswer::Ended { generation: 9 }),
                7 => answered(&ExecAnswer::Refused { error: "no".into() }),
                8 => answered(&unanswered()),
                9 => answered(&report(ExecState::Running, None)),
                10 => answered(&report(ExecState::Succeeded, Some(0))),
                11 => answered(&report(ExecState::Failed, Some(2))),
                12 => answered(&report(ExecState::TimedOut, None)),
                13 => answered(&not_now()),
                _ => answered(&report(ExecState::Cancelled, None)),
            }
            if before.state.is_terminal() {
                prop_assert_eq!(&job, &before, "an end is final");
            }
            prop_assert_eq!(job.state.is_terminal(), job.completed_at.is_some());
            prop_assert_eq!(job.state.is_terminal(), job.next() == Next::Nothing);
            if job.exit_code.is_some() {
                prop_assert!(kind == 10 || kind == 11 || before.exit_code.is_some(), "an exit code was observed");
            }
            if before.generation.is_some() && job.generation != before.generation {
                prop_assert!(kind == 6 && job.state == JobState::Waking, "bound to one generation unless that never had it");
            }
        }
    }
}
