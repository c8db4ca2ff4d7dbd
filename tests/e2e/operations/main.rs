//! What operators ask of sandboxes: state, wake, restart, reset, destroy, tier, image, keep-alive, restarts of many. One stack, and one of separate processes.

mod bulk;
mod cli;
mod jobs;
mod refusals;
mod state;
mod wake;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("operations", &[]);
    let mut trials = trials! { group, shared;
        state {
            asking_starts_nothing_and_says_how_old_the_answer_is, a_probe_asks_a_running_sandbox_and_changes_nothing,
            the_dashboard_shows_names_and_can_be_filtered,
        }
        wake { a_sandbox_is_woken_and_waited_for, an_unknown_user_and_a_suspended_one_are_not_woken }
        jobs {
            a_restart_is_a_job_and_one_key_is_one_restart, scopes_go_by_the_kind_of_job, a_disk_is_given_up_or_nothing_happens,
            destroying_asks_twice, tier_image_and_keep_alive_are_set_and_shown,
        }
        refusals { what_does_not_fit_is_named, nothing_is_changed_by_reading }
        bulk { the_running_ones_are_restarted_and_each_is_reported, what_does_not_fit_a_bulk_restart_is_named }
        cli { the_command_line_does_what_the_api_does }
    };
    trials.extend(trials! { group, alone; bulk { a_killed_admin_worker_restarts_everybody_once } });
    group.run(4, trials)
}
