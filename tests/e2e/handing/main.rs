//! What each start's agent is handed: a token for providers, the offer, tokens of channels. And what it is not: a key. One stack, and a provider of models on
//! loopback.

mod keys;
mod offer;
mod secrets;
mod world;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("handing", world::flags());
    let trials = trials! { group, shared;
        keys { the_platforms_key_is_nowhere_in_a_sandbox_and_tokens_are_where_they_belong }
        secrets { a_changed_token_of_a_channel_counts_from_the_next_restart, a_supervisor_that_was_started_again_is_told_what_is_new }
        offer {
            what_has_a_key_is_offered_and_locked, a_key_of_the_users_own_offers_a_provider,
            a_model_that_was_chosen_stays_chosen_over_restart_and_destroy,
        }
    };
    group.run(3, trials)
}
