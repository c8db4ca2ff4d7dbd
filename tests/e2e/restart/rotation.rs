//! Keys are replaced while people work.

use e2e_tests::rotation;
use e2e_tests::stack::{Stack, state_dir};

pub async fn every_key_is_replaced_without_a_failed_request() {
    let state = state_dir().expect("a folder");
    let stack = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let load = rotation::rotate(&stack, |_| {}).await;
    assert!(load.served.get() >= 30, "too little load to show anything: {load:?}");
    stack.stop().await.assert_clean();
}
