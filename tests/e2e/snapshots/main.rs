//! Sandboxes whose disks are kept: saved while they run and before they stop, restored when they start. One stack with short times.

mod cycles;
mod kept;
mod refused;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

/// Seconds between two snapshots.
pub const INTERVAL_SECONDS: u64 = 3;
/// Seconds without activity after which a sandbox sleeps.
pub const IDLE_SECONDS: u64 = 20;

fn main() -> ExitCode {
    let group = Group::new(
        "snapshots",
        &[
            "--var",
            "container-gateway.IDLE_SLEEP_SECONDS=20",
            "--var",
            "container-gateway.SNAPSHOT_INTERVAL_SECONDS=3",
        ],
    );
    let shared = trials! { group, shared;
        kept {
            what_is_destroyed_is_restored_by_the_next_start, a_killed_container_comes_back_with_what_was_saved,
            a_restart_and_another_tier_and_image_keep_the_disk, sleep_keeps_the_disk, a_reset_says_what_it_would_cost,
        }
        refused {
            a_repository_that_lost_something_fails_the_start_and_says_why,
        }
    };
    let alone = trials! { group, alone;
        cycles {
            cycles_of_saving_killing_and_restoring_are_byte_equal, a_small_change_moves_little_and_no_change_next_to_nothing, harmed_data_is_found_and_not_restored,
            harmed_records_are_found_and_not_restored,
        }
    };
    group.run(3, shared.into_iter().chain(alone).collect())
}
