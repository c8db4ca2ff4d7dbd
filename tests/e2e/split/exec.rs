//! The process that drives a command is killed, and comes back.

use e2e_tests::stack::Stack;
use e2e_tests::truth;
use std::sync::Arc;

pub async fn a_killed_admin_worker_still_tells_the_true_result(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let told = stack.try_case(&user, &truth::admin_killed()).await;
    assert!(told.untruths.is_empty(), "{:#?}", told.untruths);
    assert_eq!(stack.generation(&user).await, 1);
    println!("told {:?} after its end", told.after);
}
