//! The configuration of users' agents: changed while they run and while they do not, with its history. One stack.

mod at_rest;
mod bulk;
mod cli;
mod history;
mod running;
mod world;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("config", &[]);
    let trials = trials! { group, shared;
        running {
            a_running_agent_takes_a_change_at_once, what_does_not_fit_is_named_and_changes_nothing,
            patches_at_the_same_time_lose_nothing, what_the_user_changes_himself_is_a_version_of_its_own,
        }
        at_rest {
            what_is_set_at_rest_is_staged_and_there_after_the_start, what_the_agent_refuses_at_its_start_gives_way_and_is_said,
            a_fresh_disk_gets_what_was_there_before,
        }
        history { versions_are_listed_compared_and_gone_back_to, every_change_is_in_the_audit_trail, scopes_divide_reading_from_writing }
        bulk {
            a_patch_reaches_everybody_and_says_who_did_not_take_it, a_document_that_cannot_be_read_is_an_error_and_stays,
            a_cancelled_patch_does_not_reach_an_agent_that_hung,
        }
        cli { the_command_line_does_what_the_api_does }
    };
    group.run(3, trials)
}
