//! Once each what the drill `exec-truth` does twenty times: whatever happens to a command, what is told of it is true.

use e2e_tests::harness::Group;
use e2e_tests::memory::Memory;
use e2e_tests::people::User;
use e2e_tests::processes;
use e2e_tests::stack::Stack;
use e2e_tests::truth::{self, Act, Case, MARK, Told};
use futures_util::future::join_all;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What ends by itself or on request is told at once, give or take a busy machine.
const SOON: Duration = Duration::from_secs(15);

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![
        group.shared(
            "truth::every_ordinary_end_is_told_as_it_was",
            every_ordinary_end_is_told_as_it_was,
        ),
        group.shared(
            "truth::a_command_that_is_cancelled_before_it_runs_never_runs",
            a_command_that_is_cancelled_before_it_runs_never_runs,
        ),
        group.shared(
            "truth::want_of_memory_is_told_as_the_kill_it_is",
            want_of_memory_is_told_as_the_kill_it_is,
        ),
        group.shared(
            "truth::a_killed_supervisor_still_tells_the_true_result",
            a_killed_supervisor_still_tells_the_true_result,
        ),
        group.shared(
            "truth::a_killed_sandbox_loses_the_command_and_says_so",
            a_killed_sandbox_loses_the_command_and_says_so,
        ),
    ]
}

async fn awake(stack: &Stack) -> User {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    user
}

fn assert_true(case: &Case, told: &Told) {
    assert!(told.untruths.is_empty(), "{}: {:#?}", case.name, told.untruths);
    assert!(
        told.after.is_some_and(|after| after < SOON),
        "{}: told {:?} after it",
        case.name,
        told.after
    );
}

async fn every_ordinary_end_is_told_as_it_was(stack: Arc<Stack>) {
    let user = awake(&stack).await;
    let cases = truth::ordinary();
    let all = join_all(cases.iter().map(|case| stack.try_case(&user, case))).await;
    for (case, told) in cases.iter().zip(&all) {
        assert_true(case, told);
        // An end is for ever.
        let path = user.path(&format!("/exec/{}", told.status["execId"].as_str().expect("an id")));
        assert_eq!(stack.get(&path).admin().send().await.json(200), told.status);
    }
}

async fn a_command_that_is_cancelled_before_it_runs_never_runs(stack: Arc<Stack>) {
    // Its sandbox is not there yet, so it is queued or waking.
    let user = stack.new_user().await;
    let mut case = Case::new(
        "cancelled before it runs",
        "touch ~/ran; sleep 600",
        Act::CancelBeforeItRuns,
        &["cancelled"],
    );
    let told = stack.try_case(&user, &case).await;
    assert_true(&case, &told);
    assert_eq!(
        (&told.status["startedAt"], &told.status["stdoutBytes"]),
        (&Value::Null, &json!(0)),
        "{}",
        told.status
    );
    assert_eq!(stack.sh(&user, "ls ~/ran 2>/dev/null; true").await, "");
    // Running already: cancelled at once, it may have begun or not, and it ends.
    case = Case::new(
        "cancelled at once",
        "sleep 600",
        Act::CancelBeforeItRuns,
        &["cancelled"],
    );
    let mark = uuid::Uuid::new_v4().to_string();
    let mut body = case.body.clone();
    body["env"] = json!({MARK: mark});
    let accepted = stack.submit(&user, &body).await;
    stack.cancel(&accepted).await;
    let status = stack.outcome(&accepted).await;
    assert_eq!(
        (&status["state"], &status["exitCode"]),
        (&json!("cancelled"), &Value::Null),
        "{status}"
    );
    assert!(processes::marked(MARK, &mark).is_empty(), "it lives");
}

async fn want_of_memory_is_told_as_the_kill_it_is(stack: Arc<Stack>) {
    let user = awake(&stack).await;
    let Some(memory) = Memory::of(&stack, &user).await else {
        eprintln!("SKIPPED: nothing bounds the memory of a sandbox on this machine");
        return;
    };
    memory.leave(64 << 20);
    let (case, before) = (truth::out_of_memory(), memory.killed());
    assert_true(&case, &stack.try_case(&user, &case).await);
    assert!(memory.killed() > before, "the kernel killed nothing");
    // Whoever asked for too much is gone, and nobody else.
    assert_eq!(
        (
            stack.sh(&user, "echo alive").await.as_str(),
            stack.generation(&user).await
        ),
        ("alive\n", 1)
    );
}

async fn a_killed_supervisor_still_tells_the_true_result(stack: Arc<Stack>) {
    let user = awake(&stack).await;
    let case = truth::serve_killed();
    assert_true(&case, &stack.try_case(&user, &case).await);
    assert_eq!(stack.generation(&user).await, 1);
}

async fn a_killed_sandbox_loses_the_command_and_says_so(stack: Arc<Stack>) {
    let user = awake(&stack).await;
    let case = truth::init_killed();
    let told = stack.try_case(&user, &case).await;
    assert!(told.untruths.is_empty(), "{:#?}", told.untruths);
    assert!(
        told.status["error"].as_str().is_some_and(|text| !text.is_empty()),
        "{}",
        told.status
    );
}
