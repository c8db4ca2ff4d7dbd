//! What users cost, and how far their agents may go: calls to a provider on loopback, counted, refused and told. One stack.

mod api;
mod budget;
mod cli;
mod containers;
mod counting;
mod world;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("costs", world::flags());
    let trials = trials! { group, shared;
        budget {
            a_budget_of_n_admits_exactly_n, what_is_nearly_used_up_is_warned_of_and_then_refused, tokens_are_limited_too,
            a_suspended_users_agent_asks_nobody
        }
        counting { calls_and_tokens_are_those_of_the_object_and_of_the_provider, what_a_user_pays_himself_is_told_apart, a_removal_leaves_nothing_and_an_export_holds_it }
        containers { a_run_is_measured_within_a_second }
        api {
            what_is_wrong_is_named, scopes_divide_reading_from_setting, everybody_is_told_page_by_page_with_one_total,
            days_to_come_cost_nothing
        }
        cli { the_command_line_does_what_the_api_does }
    };
    group.run(4, trials)
}
