//! From what ran before to the new workers and back, by the operators' scripts.

mod flags;
mod forward;
mod interrupted;
mod retire;
mod rollback;
mod trouble;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("migration", &["--legacy", "--split", "--routers", "2"]);
    let mut trials = trials! { group, shared;
        forward {
            a_dry_run_touches_nothing, both_flags_go_by_steps_and_come_back_in_one_call, what_is_done_already_is_not_done_again,
            a_killed_flag_is_lifted_only_on_demand,
        }
        trouble {
            a_new_path_that_answers_wrongly_is_undone, somebody_elses_change_is_left_alone, what_is_missing_is_said_before_anything_is_done,
            without_a_way_back_nothing_is_begun,
        }
        interrupted { a_run_that_was_killed_goes_on_where_it_was, ctrl_c_leaves_the_flag_where_it_is }
        rollback { without_the_admin_worker_the_override_rolls_back_and_stays }
    };
    let alone = trials! { group, alone;
        rollback { without_anything_to_go_back_to_an_outage_must_be_allowed }
        retire { what_ran_before_is_retired_when_nobody_needs_it }
    };
    trials.extend(alone);
    // Each moves the flags that all others go by.
    group.run(1, trials)
}
