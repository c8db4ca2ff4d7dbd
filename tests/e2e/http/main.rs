//! HTTP between a client and the agent through router, gateway and sandboxd: one stack with the echo agent.

mod codings;
mod ends;
mod shapes;
mod smuggling;
mod uploads;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("http", &[]);
    let trials = trials! { group, shared;
        codings { who_asked_for_nothing_gets_nothing_coded, who_asked_gets_what_he_asked_for, nothing_is_coded_twice, events_are_not_held_back }
        ends {
            a_client_that_goes_away_ends_the_agents_work, a_body_that_the_agent_cut_does_not_pass_for_whole,
            errors_are_problems_or_pages, sixty_four_mebibytes_pass_in_flat_memory,
        }
        shapes {
            parts_and_conditions_pass, answers_without_a_body_have_none, odd_answers_arrive_as_they_are_meant,
            addresses_and_cookies_are_those_of_the_client, headers_of_one_connection_stay_on_it, an_upload_by_plain_curl_with_expect_passes,
        }
        smuggling { no_request_hides_in_another }
        uploads { an_upload_in_parts_reaches_the_agent_once, an_upload_is_for_its_owner_alone, a_cookie_of_a_foreign_page_uploads_nothing }
    };
    group.run(2, trials)
}
