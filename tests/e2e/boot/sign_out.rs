//! A sign-out while the agent does not answer.

use super::stalled::stall;
use e2e_tests::stack::Stack;
use e2e_tests::wait::within;
use molt_common::control::SessionEnd;
use std::sync::Arc;
use std::time::Duration;

pub async fn a_sign_out_ends_sockets_while_the_agent_hangs(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let other = stack.another_session(&user);
    let mut socket = stack.socket(&user).await;
    socket.echoes("before it hangs").await;
    let mut stays = stack.socket(&other).await;
    let stalled = stall(&stack, &user).await;
    stack.post("/logout").session(&user).send().await.expect(303);
    let end = within("the socket is closed", Duration::from_secs(5), socket.closed()).await;
    let ended = SessionEnd::SignedOut;
    assert_eq!(end, (ended.close_code(), ended.reason().to_owned()));
    stalled.goes_on();
    stays.echoes("another session").await;
}
