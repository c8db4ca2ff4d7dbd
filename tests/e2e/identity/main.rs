//! Users of an issuer that publishes its keys, and of Cloudflare Access: who gets in, and what trouble with the keys does to them.

mod access;
mod ended;
mod hostile;
mod opening;
mod rotation;
mod trouble;
mod world;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use libtest_mimic::Trial;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("identity", world::flags());
    let mut trials = trials! { group, shared;
        opening { tokens_of_every_published_key_open, secrets_go_on_beside_published_keys }
        access {
            an_assertion_opens, people_of_access_are_nobody_elses, other_assertions_are_refused,
            an_assertion_counts_in_its_header_alone, a_foreign_page_cannot_use_an_assertion,
        }
        ended { an_ended_session_stays_ended_under_another_signature }
        hostile { none_opens_the_stack }
    };
    trials.extend(trials! { group, alone;
        rotation { a_new_key_costs_no_request, unknown_ids_cost_one_fetch, known_keys_wait_for_no_search }
        trouble { held_keys_serve_while_the_issuer_is_down, without_any_keys_nobody_can_tell }
    });
    trials.push(Trial::test("hostile::none_passes_the_policy", || {
        hostile::none_passes_the_policy();
        Ok(())
    }));
    group.run(4, trials)
}
