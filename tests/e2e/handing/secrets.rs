//! Tokens of channels, and when they count.

use crate::world::{CHANNEL, of_agent, restart, set, value};
use e2e_tests::key_search::Inside;
use e2e_tests::processes::{self, Process};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::sync::Arc;
use std::time::Duration;

/// A sandbox that nobody uses is looked at every twenty seconds.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn a_changed_token_of_a_channel_counts_from_the_next_restart(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let (first, second) = (value(), value());
    stack.awake(&user).await;
    assert_eq!(of_agent(&stack, &user, CHANNEL).await, None);
    for token in [first, second] {
        set(&stack, &user, CHANNEL, &token).await;
        assert_ne!(
            of_agent(&stack, &user, CHANNEL).await.as_ref(),
            Some(&token),
            "not before it is started again"
        );
        restart(&stack, &user).await;
        assert_eq!(of_agent(&stack, &user, CHANNEL).await, Some(token));
    }
    let path = user.path(&format!("/secrets/{CHANNEL}"));
    stack.call("DELETE", &path).admin().send().await.expect(200);
    restart(&stack, &user).await;
    assert_eq!(of_agent(&stack, &user, CHANNEL).await, None);
}

pub async fn a_supervisor_that_was_started_again_is_told_what_is_new(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let (first, second) = (value(), value());
    set(&stack, &user, CHANNEL, &first).await;
    stack.awake(&user).await;
    let serve = stack.supervisor(&user).await;
    kill(Pid::from_raw(serve.pid), Signal::SIGKILL).expect("it runs");
    set(&stack, &user, CHANNEL, &second).await;
    until("another serve has been told", PATIENCE, async || {
        let init = stack.engine.only(&user).await;
        let serves = |process: &Process| process.command.contains("sandboxd serve") && process.pid != serve.pid;
        processes::tree(init).into_iter().find(serves)?;
        let noted = Inside::of(&stack, &user).await.files(&second, false);
        (!noted.is_empty()).then_some(())
    })
    .await;
    // The agent goes on with what it has; when it crashes, its next start has what is new.
    assert_eq!(of_agent(&stack, &user, CHANNEL).await.as_ref(), Some(&first));
    let agent = Inside::of(&stack, &user).await.agent().pid;
    kill(Pid::from_raw(agent), Signal::SIGKILL).expect("it runs");
    until("another agent has it", PATIENCE, async || {
        let inside = Inside::of(&stack, &user).await;
        let held = inside.processes(&format!("{CHANNEL}={second}"));
        (!held.is_empty()).then_some(())
    })
    .await;
}
