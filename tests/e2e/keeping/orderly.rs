//! The short form of the drill `orderly-stop`.

use e2e_tests::disk::Disk;
use e2e_tests::orderly_stop::{End, ORDERLY, case};
use e2e_tests::stack::{Stack, state_dir};
use std::time::Duration;

/// Seconds between two snapshots.
const INTERVAL: Duration = Duration::from_secs(3);
/// Reading, sending and publishing a small disk on a busy machine.
const SAVING: Duration = Duration::from_secs(20);
const FLAGS: &[&str] = &[
    "--var",
    "container-gateway.IDLE_SLEEP_SECONDS=15",
    "--var",
    "container-gateway.SNAPSHOT_INTERVAL_SECONDS=3",
];

pub async fn a_writer_that_is_stopped_in_order_loses_nothing_and_a_killed_one_what_is_said() {
    if !Disk::is_reachable() {
        eprintln!("SKIPPED: the disks of sandboxes are reached by the machine's administrator only");
        return;
    }
    let stack = Stack::start(FLAGS, &state_dir().unwrap()).await.unwrap();
    let user = stack.new_user().await;
    for end in ORDERLY {
        case(&stack, &user, end).await;
    }
    let killed = case(&stack, &user, End::Kill).await;
    assert!(killed.lost_span <= INTERVAL + SAVING, "{killed:?}");
    stack.stop().await.assert_clean();
}
