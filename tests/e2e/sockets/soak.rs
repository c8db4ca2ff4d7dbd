//! Many sockets with traffic, for a while.

use e2e_tests::soak;
use e2e_tests::stack::Stack;
use std::sync::Arc;
use std::time::Duration;

pub async fn sockets_stay_and_memory_is_flat(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    // Longer than it takes until an object without requests is evicted, and than a ping of a silent client.
    soak::run(&stack, &user, 30, Duration::from_secs(30)).await;
}
