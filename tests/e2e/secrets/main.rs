//! Secrets of users: set, told masked, replaced, removed, sealed again, and found nowhere in clear. One stack, and one whose root keys are replaced.

mod api;
mod cli;
mod kept;
mod rotation;
mod world;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("secrets", &[]);
    let mut trials = trials! { group, shared;
        api {
            a_secret_is_set_told_masked_replaced_and_removed, odd_names_and_values_are_named_and_change_nothing,
            nobody_reads_or_writes_without_the_scope, unknown_users_have_none_and_suspended_ones_keep_theirs,
            what_a_running_agent_holds_counts_from_its_restart, each_users_secrets_are_his_own, the_description_tells_of_each_answer,
        }
        kept { a_value_is_in_no_file_row_or_export, every_change_is_in_the_audit_trail_without_its_value, a_removed_user_takes_his_secrets_with_him }
        cli { the_command_line_does_what_the_api_does }
    };
    trials.extend(trials! { group, alone;
        rotation { a_replaced_root_key_seals_again_and_a_lost_one_is_told }
    });
    group.run(3, trials)
}
