//! Disks that are kept whatever is in the way: two writers, storage that fails, a disk that shrank, an agent that crashes, an owner who is shut out. One stack whose
//! sandboxes are saved when they are stopped, and stacks of their own for what concerns all of its storage.

mod decision;
mod given_up;
mod orderly;
mod shut_out;
mod storage;
mod writers;

use e2e_tests::harness::Group;
use e2e_tests::{orderly_stop, trials};
use std::process::ExitCode;

fn main() -> ExitCode {
    orderly_stop::write_if_asked();
    let group = Group::new(
        "keeping",
        &["--var", "container-gateway.SNAPSHOT_INTERVAL_SECONDS=3600"],
    );
    let shared = trials! { group, shared;
        writers { of_two_writers_one_wins_and_the_other_is_told, a_generation_that_was_replaced_adds_and_publishes_nothing }
        decision { a_stop_waits_until_somebody_decides_about_a_disk_that_shrank }
        given_up { a_sandbox_whose_agent_crashes_again_and_again_is_saved_before_it_is_given_up }
        shut_out {
            the_sandbox_of_a_suspended_user_is_saved_and_stopped_and_comes_back_with_him,
            a_restart_under_way_starts_no_sandbox_of_a_suspended_user,
        }
    };
    let alone = trials! { group, alone;
        storage { while_storage_fails_nothing_is_stopped_and_everybody_is_told }
        orderly { a_writer_that_is_stopped_in_order_loses_nothing_and_a_killed_one_what_is_said }
    };
    group.run(3, shared.into_iter().chain(alone).collect())
}
