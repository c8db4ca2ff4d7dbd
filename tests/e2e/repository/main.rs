//! Repositories of sandboxes at the edge: restic's protocol, restic itself, and the way of a sandbox to its own. One stack, and one whose sandboxes
//! have no internet.

mod damage;
mod inside;
mod load;
mod protocol;
mod publish;
mod restic;
mod tokens;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("repository", &[]);
    let mut trials = trials! { group, shared;
        protocol {
            an_object_is_stored_once_and_read_in_spans, bytes_of_another_name_are_refused, a_configuration_is_written_once,
            names_and_methods_are_those_of_the_protocol, a_body_is_bounded, lists_are_those_of_both_versions,
        }
        tokens { who_has_no_right_token_gets_nothing, no_other_text_is_a_token, a_token_does_what_its_access_says, nothing_but_the_token_counts }
        restic { what_is_saved_is_restored_byte_for_byte, who_only_adds_loses_nothing }
        damage { restic_names_what_is_damaged }
        load { sixteen_at_once_store_one, thousands_are_listed, two_hundred_mebibytes_pass_in_flat_memory }
        publish { what_is_not_in_the_bucket_is_not_published }
        inside { a_sandbox_reaches_its_repository_and_no_other }
    };
    trials.extend(trials! { group, alone;
        inside {
            a_sandbox_without_internet_reaches_its_repository_again_after_the_runtime_was_killed,
            a_replaced_runtime_leads_the_name_again_and_tokens_of_the_former_key_go_on,
        }
    });
    group.run(2, trials)
}
