//! Nothing of a command that was stopped is alive, wherever its processes went.

use e2e_tests::harness::Group;
use e2e_tests::stack::Stack;
use e2e_tests::tree::By;
use libtest_mimic::Trial;
use std::sync::Arc;

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![group.shared(
        "tree::nothing_of_a_stopped_tree_is_alive_and_the_agent_answers",
        nothing_of_a_stopped_tree_is_alive_and_the_agent_answers,
    )]
}

async fn nothing_of_a_stopped_tree_is_alive_and_the_agent_answers(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let felling = async {
        for by in [By::Cancel, By::Timeout] {
            stack.fell(&user, by).await;
        }
    };
    let ((), echoes) = stack.beside_echoes(&user, felling).await;
    assert!(echoes.failed == 0 && !echoes.times.is_empty(), "{echoes:?}");
    assert_eq!(stack.generation(&user).await, 1);
}
