//! Providers at the edge: a sandbox asks with its token, the gateway shows the key. One stack, and a provider of models on loopback.

mod keys;
mod paths;
mod streams;
mod tokens;
mod trouble;
mod world;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("providers", world::flags());
    let trials = trials! { group, shared;
        keys {
            the_key_is_added_and_the_token_stays_here, a_key_that_a_provider_echoes_does_not_come_back,
            a_provider_without_a_key_is_none,
        }
        tokens { a_stolen_token_opens_nothing_elsewhere, a_token_is_over_with_its_start, no_other_text_is_a_token }
        paths {
            only_listed_paths_are_passed_on, a_body_that_comes_with_a_get_stays_here, headers_of_a_sandbox_do_not_reach_a_provider,
            bodies_are_bounded, a_body_that_means_nothing_is_left_behind,
        }
        trouble {
            errors_of_a_provider_arrive_as_they_are, a_provider_that_hangs_up_is_seen_to, a_provider_that_is_not_there_is_said,
            a_redirect_is_not_followed,
        }
        streams {
            tokens_arrive_as_they_are_sent, both_protocols_are_streamed, a_client_that_goes_away_ends_the_providers_stream,
            twenty_streams_pass_in_flat_memory, long_requests_pass_untouched,
        }
    };
    // One after the other: some measure time, and some memory.
    group.run(1, trials)
}
