use super::*;
use molt_common::id::ExecId;
use proptest::prelude::*;

#[path = "bulk_world_tests.rs"]
mod world;

const T0: Millis = Millis(1_800_000_000_000);

fn user(index: usize) -> UserId {
    UserId::parse(&format!("ada00000-0000-4000-8000-{index:012}")).unwrap()
}

fn bulk(children: usize, concurrency: u32, stop_after_failures: Option<u32>) -> BulkJob {
    let users: Vec<UserId> = (0..children).map(user).collect();
    let limits = BulkLimits {
        concurrency,
        stop_after_failures,
        pause_ms: 0,
    };
    BulkJob::new(&users, limits, T0).unwrap()
}

fn job_of(index: usize) -> JobId {
    JobId::exec(user(index), ExecId::parse("e").unwrap())
}

fn child_of(step: &Step) -> usize {
    match step {
        Step::Submit { child, .. } | Step::Read { child, .. } | Step::Cancel { child, .. } => *child,
        Step::Wait { .. } => panic!("{step:?}"),
    }
}

fn stands(index: usize, state: JobState) -> ChildAnswer {
    ChildAnswer::Stands {
        job: job_of(index),
        state,
        exit_code: (state == JobState::Succeeded).then_some(0),
        error: None,
    }
}

/// The calls among the steps; what must come last is the wait.
fn calls(job: &mut BulkJob, now: Millis) -> Vec<Step> {
    let mut steps = job.next(now);
    match steps.pop() {
        Some(Step::Wait { until }) => assert!(until > now, "a wait that is over would turn for ever"),
        None => assert!(job.state.is_terminal()),
        other => panic!("{other:?}"),
    }
    steps
}

fn answer_all(job: &mut BulkJob, steps: &[Step], state: JobState, now: Millis) {
    for step in steps {
        job.answered(step, stands(child_of(step), state), 0, now);
    }
}

#[test]
fn what_cannot_be_run_is_refused_by_field() {
    let refused = |users: &[UserId], concurrency, stop_after_failures| {
        let limits = BulkLimits {
            concurrency,
            stop_after_failures,
            pause_ms: 0,
        };
        BulkJob::new(users, limits, T0).unwrap_err()
    };
    assert_eq!(refused(&[], 1, None), BulkRefusal::Users);
    let many: Vec<UserId> = (0..=MOST_CHILDREN).map(user).collect();
    assert_eq!(refused(&many, 1, None), BulkRefusal::Users);
    assert_eq!(refused(&[user(1), user(1)], 1, None), BulkRefusal::Twice);
    assert_eq!(refused(&[user(1)], 0, None), BulkRefusal::Concurrency);
    assert_eq!(refused(&[user(1)], 51, None), BulkRefusal::Concurrency);
    assert_eq!(refused(&[user(1)], 1, Some(0)), BulkRefusal::StopAfterFailures);
}

#[test]
fn a_pause_lies_between_the_beginning_of_one_and_of_the_next() {
    let users: Vec<UserId> = (0..3).map(user).collect();
    let limits = BulkLimits {
        concurrency: 3,
        stop_after_failures: None,
        pause_ms: 5_000,
    };
    let mut job = BulkJob::new(&users, limits, T0).unwrap();
    let first = job.next(T0);
    assert!(
        matches!(first[..], [Step::Submit { child: 0, .. }, Step::Wait { until }] if until == T0.plus(5_000)),
        "{first:?}"
    );
    // Ended at once: the pause counts from the beginning all the same, also for whoever reads the job again.
    job.answered(&first[0], stands(0, JobState::Succeeded), 0, T0.plus(10));
    let mut job: BulkJob = serde_json::from_value(serde_json::to_value(&job).unwrap()).unwrap();
    job.resumed(T0.plus(4_999));
    assert!(matches!(job.next(T0.plus(4_999))[..], [Step::Wait { until }] if until == T0.plus(5_000)));
    let second = calls(&mut job, T0.plus(5_000));
    assert_eq!(second.iter().map(child_of).collect::<Vec<_>>(), [1]);
    let third = calls(&mut job, T0.plus(10_000));
    assert!(matches!(third[..], [Step::Submit { child: 2, .. }]), "{third:?}");
}

#[test]
fn what_an_older_release_stored_is_read() {
    let mut stored = serde_json::to_value(bulk(1, 1, None)).unwrap();
    let fields = stored.as_object_mut().unwrap();
    fields.remove("begun_at");
    fields["limits"].as_object_mut().unwrap().remove("pause_ms");
    assert_eq!(serde_json::from_value::<BulkJob>(stored).unwrap(), bulk(1, 1, None));
}

#[test]
fn children_are_begun_as_places_get_free_and_all_must_succeed() {
    let mut job = bulk(3, 2, None);
    let first = calls(&mut job, T0);
    assert_eq!(first.iter().map(child_of).collect::<Vec<_>>(), [0, 1]);
    assert!(
        calls(&mut job, T0).is_empty(),
        "both are asked for, and there is no place"
    );
    answer_all(&mut job, &first, JobState::Running, T0);
    assert!(calls(&mut job, T0).is_empty(), "read after a pause");
    let reads = calls(&mut job, T0.plus(READ_EVERY_MS));
    assert!(matches!(reads[0], Step::Read { child: 0, .. }), "{reads:?}");
    job.answered(&reads[0], stands(0, JobState::Succeeded), 0, T0.plus(READ_EVERY_MS));
    let third = calls(&mut job, T0.plus(READ_EVERY_MS));
    assert!(matches!(third[..], [Step::Submit { child: 2, .. }]), "{third:?}");
    assert_eq!(
        job.progress(),
        Progress {
            total: 3,
            queued: 0,
            under_way: 2,
            succeeded: 1,
            failed: 0
        }
    );
    answer_all(&mut job, &third, JobState::Succeeded, T0);
    answer_all(&mut job, &reads[1..], JobState::Succeeded, T0.plus(9_000));
    assert_eq!(
        (job.state, job.completed_at),
        (JobState::Succeeded, Some(T0.plus(9_000)))
    );
    assert!(job.next(T0).is_empty());
}

#[test]
fn one_that_did_not_end_well_fails_the_job_with_counts() {
    let mut job = bulk(3, 3, None);
    let steps = calls(&mut job, T0);
    for (step, state) in steps
        .iter()
        .zip([JobState::Succeeded, JobState::TimedOut, JobState::Lost])
    {
        job.answered(step, stands(child_of(step), state), 0, T0);
    }
    assert_eq!(job.state, JobState::Failed);
    assert_eq!(job.error.as_deref(), Some("Of 3: 1 succeeded, 1 timed out, 1 lost."));
}

#[test]
fn after_so_many_failures_no_more_are_begun_and_those_that_are_go_on() {
    let mut job = bulk(5, 2, Some(1));
    let steps = calls(&mut job, T0);
    job.answered(&steps[0], stands(0, JobState::Failed), 0, T0);
    assert!(calls(&mut job, T0).is_empty());
    assert_eq!(job.state, JobState::Running, "one is under way");
    answer_all(&mut job, &steps[1..], JobState::Succeeded, T0);
    assert_eq!(job.state, JobState::Failed);
    assert_eq!(job.error.as_deref(), Some("Of 5: 1 succeeded, 1 failed, 3 rejected."));
    assert_eq!(
        job.children()[4].error.as_deref(),
        Some("Not begun: 1 others had not ended well.")
    );
}

#[test]
fn cancel_ends_what_was_not_begun_and_follows_the_rest_to_its_end() {
    let mut job = bulk(3, 2, None);
    let steps = calls(&mut job, T0);
    job.answered(&steps[0], stands(0, JobState::Running), 0, T0);
    job.cancel(T0);
    assert_eq!(job.children()[2].state, JobState::Cancelled);
    let told = calls(&mut job, T0);
    assert!(
        matches!(told[..], [Step::Cancel { child: 0, .. }]),
        "the other's submission is not answered: {told:?}"
    );
    job.answered(&told[0], stands(0, JobState::Running), 0, T0);
    job.answered(&steps[1], stands(1, JobState::Queued), 0, T0);
    let told = calls(&mut job, T0);
    assert!(matches!(told[..], [Step::Cancel { child: 1, .. }]), "{told:?}");
    answer_all(&mut job, &told, JobState::Cancelled, T0);
    assert_eq!(job.state, JobState::Running);
    let read = calls(&mut job, T0.plus(READ_EVERY_MS));
    assert!(matches!(read[..], [Step::Read { child: 0, .. }]), "{read:?}");
    answer_all(&mut job, &read, JobState::Succeeded, T0.plus(READ_EVERY_MS));
    assert_eq!(job.state, JobState::Cancelled);
}

#[test]
fn what_was_not_answered_is_told_as_such_when_it_is_not_asked_again_after_a_cancel() {
    let mut job = bulk(2, 2, None);
    let steps = calls(&mut job, T0);
    job.cancel(T0.plus(1));
    assert!(calls(&mut job, T0.plus(1)).is_empty(), "the answers may still come");
    let ended = ChildAnswer::Ended {
        state: JobState::Succeeded,
        error: None,
    };
    job.answered(&steps[1], ended, 0, T0.plus(2));
    // Whoever waited for the other is gone.
    job.resumed(T0.plus(3));
    let again = calls(&mut job, T0.plus(3));
    assert!(
        matches!(
            again[..],
            [Step::Submit {
                child: 0,
                cancelled: true,
                ..
            }]
        ),
        "{again:?}"
    );
    let no = ChildAnswer::Refused {
        error: "cancelled".into(),
    };
    job.answered(&again[0], no, 0, T0.plus(4));
    let child = &job.children()[0];
    assert_eq!((child.state, job.state), (JobState::Lost, JobState::Failed));
    assert!(
        child.error.as_ref().unwrap().contains("may have been accepted"),
        "{child:?}"
    );
}

#[test]
fn a_cancel_that_comes_too_late_changes_nothing() {
    let mut job = bulk(1, 1, None);
    let steps = calls(&mut job, T0);
    job.cancel(T0);
    answer_all(&mut job, &steps, JobState::Succeeded, T0);
    assert_eq!((job.state, job.error.clone()), (JobState::Succeeded, None));
    let ended = job.clone();
    job.cancel(T0);
    assert_eq!(job, ended);
}

#[test]
fn an_object_that_begins_anew_repeats_its_calls_at_once() {
    let mut job = bulk(2, 2, None);
    let before = calls(&mut job, T0);
    let mut job: BulkJob = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
    assert!(calls(&mut job, T0).is_empty(), "the leases are there");
    job.resumed(T0);
    let again = calls(&mut job, T0);
    assert_eq!(again.len(), 2);
    answer_all(&mut job, &before, JobState::Failed, T0);
    assert_eq!(
        job.children()[0].state,
        JobState::Queued,
        "answers of before mean nothing"
    );
    // Refused now, but perhaps accepted before.
    job.answered(&again[0], ChildAnswer::Refused { error: "no".into() }, 0, T0);
    assert_eq!(job.children()[0].state, JobState::Lost);
}

#[test]
fn a_sandbox_that_is_full_gives_its_place_to_others_and_is_given_up_in_the_end() {
    let full = || ChildAnswer::NotNow {
        error: "full".into(),
        retry_after_ms: 5_000,
    };
    let mut job = bulk(2, 1, None);
    let steps = calls(&mut job, T0);
    job.answered(&steps[0], full(), 0, T0);
    let steps = calls(&mut job, T0);
    assert_eq!(child_of(&steps[0]), 1);
    answer_all(&mut job, &steps, JobState::Succeeded, T0);
    assert!(calls(&mut job, T0.plus(4_999)).is_empty());
    let late = T0.plus(SUBMIT_DEADLINE_MS);
    let steps = calls(&mut job, late);
    job.answered(&steps[0], full(), 0, late);
    assert_eq!(
        (job.children()[0].state, job.state),
        (JobState::Rejected, JobState::Failed)
    );
}

#[test]
fn a_child_of_somebody_else_is_not_believed_and_silence_ends() {
    let mut job = bulk(1, 1, None);
    let steps = calls(&mut job, T0);
    job.answered(&steps[0], stands(7, JobState::Succeeded), 0, T0);
    assert_eq!(job.children()[0].state, JobState::Queued);
    let mut now = T0;
    while !job.state.is_terminal() {
        now = now.plus(60_000);
        for step in calls(&mut job, now) {
            job.answered(
                &step,
                ChildAnswer::Unreachable {
                    error: "x".repeat(1_000),
                },
                0,
                now,
            );
        }
        assert!(now.since(T0) <= SILENCE_MS + 120_000, "for ever");
    }
    assert_eq!(job.children()[0].state, JobState::Lost);
    assert!(job.children()[0].error.as_ref().unwrap().chars().count() <= 301);
}

#[test]
fn the_largest_job_fits_in_a_row() {
    let mut job = bulk(MOST_CHILDREN, MOST_AT_ONCE, None);
    let mut now = T0;
    while !job.state.is_terminal() {
        now = now.plus(1);
        for step in calls(&mut job, now) {
            job.answered(
                &step,
                ChildAnswer::Refused {
                    error: "\u{fffd}".repeat(1_000),
                },
                0,
                now,
            );
        }
    }
    assert!(serde_json::to_string(&job).unwrap().len() < 1_900_000);
}

#[test]
fn what_the_submission_itself_does_needs_no_job() {
    let mut job = bulk(3, 3, None);
    let steps = calls(&mut job, T0);
    let ended = |state, error: Option<&str>| ChildAnswer::Ended {
        state,
        error: error.map(str::to_owned),
    };
    job.answered(&steps[0], ended(JobState::Succeeded, None), 0, T0);
    // An end that is none is no answer: it is asked again under the same key.
    job.answered(&steps[1], ended(JobState::Running, None), 0, T0);
    job.answered(&steps[2], ended(JobState::Failed, Some("why")), 0, T0);
    assert_eq!(job.state, JobState::Running);
    let later = T0.plus(60_000);
    let again = calls(&mut job, later);
    assert!(matches!(again.as_slice(), [Step::Submit { child: 1, .. }]), "{again:?}");
    job.answered(&again[0], ended(JobState::Succeeded, None), 0, later);
    assert_eq!(job.state, JobState::Failed, "one of them failed");
    let states: Vec<JobState> = job.children().iter().map(|child| child.state).collect();
    assert_eq!(states, [JobState::Succeeded, JobState::Succeeded, JobState::Failed]);
    assert!(job.children().iter().all(|child| child.job.is_none()));
}
