//! What breaks connections, and what does not survive.

use e2e_tests::operation_of_sockets as sockets;
use e2e_tests::stack::Stack;
use std::sync::Arc;
use std::time::Duration;

/// A machine that runs all tests at once is slow; the drill asks for two seconds.
const RECOVERY: Duration = Duration::from_secs(15);

pub async fn nothing_is_lost_or_doubled_whatever_breaks(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let spread = sockets::break_and_resume(&stack, &user, 20, 5).await;
    assert!(spread.p99 <= RECOVERY, "{spread:?}");
}

pub async fn a_restart_of_the_agent_is_told_and_waited_for(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let late = sockets::restart_agent(&stack, &user, 10).await;
    assert!(late <= RECOVERY, "{late:?}");
}
