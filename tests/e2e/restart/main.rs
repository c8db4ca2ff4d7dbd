//! Stacks that are stopped, killed and started again. Each test has its own.

mod control_plane;
mod kill;
mod restart;
mod rotation;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("restart", &[]);
    let trials = trials! { group, alone;
        restart {
            what_was_done_is_still_there_after_a_restart, a_stop_leaves_no_process, a_command_right_after_a_restart_runs,
            a_second_stack_on_one_state_is_refused
        }
        control_plane { the_bootstrap_secret_goes_and_comes_but_never_the_last_way_in, tampering_with_the_trail_is_found }
        rotation { every_key_is_replaced_without_a_failed_request }
        kill { a_killed_supervisor_leaves_no_process_and_no_untruth, a_killed_runtime_comes_back }
    };
    group.run(2, trials)
}
