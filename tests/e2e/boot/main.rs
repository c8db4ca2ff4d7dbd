//! What people and programs get while a sandbox is not ready: progress, bounded waiting, and a restart of their own.

mod first_byte;
mod flood;
mod holds;
mod pages;
mod progress;
mod restart;
mod sign_out;
mod stalled;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("boot", &[]);
    let mut trials = trials! { group, shared;
        progress {
            phases_come_in_order_as_they_happen, who_comes_back_is_told_nothing_twice, watching_wakes_nothing_and_ends_by_itself,
            a_person_has_so_many_streams_and_who_goes_away_makes_room, what_is_usual_was_measured, a_failed_start_says_why_and_when_next,
            only_its_owner_sees_it,
        }
        holds {
            who_waits_is_held_for_half_a_minute_and_told_to_come_back_at_different_times, who_waits_is_answered_as_soon_as_it_is_ready,
            who_waits_learns_of_a_failure_at_once, a_mixed_two_hundred_first_requests_start_one_container,
        }
        flood { more_than_may_wait_are_refused_at_once_and_nobody_else_suffers }
        pages {
            a_form_that_was_not_taken_is_answered_with_a_page, a_navigation_while_the_agent_is_gone_gets_the_boot_page,
            a_start_that_failed_is_a_page_that_stops_refreshing,
        }
        restart {
            the_page_changes_nothing, the_former_address_changes_nothing_either, other_sites_restart_nothing,
            only_the_users_own_agent_is_restarted, other_methods_are_405,
        }
        sign_out { a_sign_out_ends_sockets_while_the_agent_hangs }
    };
    trials.extend(trials! { group, shared; first_byte { the_boot_page_is_there_within_a_tenth_of_a_second } });
    group.run(3, trials)
}
