//! Feature flags as operators change them: one stack, one test after the other, for there is one of each flag.

mod adoption;
mod change;
mod cli;
mod guard;
mod world;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("flags", &[]);
    let mut trials = trials! { group, shared;
        change {
            a_flag_is_set_read_and_cleared, a_change_is_undone_and_done_again, what_is_so_already_makes_no_version,
            a_subject_is_ruled_upon, changes_are_in_the_trail_and_the_chain_is_sound, the_history_is_paged_and_bounded,
        }
        guard {
            of_twenty_parallel_changes_of_one_version_one_wins, a_version_that_moved_is_told, bad_input_is_named_by_field,
            reading_and_changing_take_their_scopes, nobody_is_left_without_an_answer_unless_that_is_wanted,
        }
        adoption {
            an_override_is_adopted_within_seconds_and_for_once, an_override_that_cannot_be_meant_is_ignored,
        }
        cli {
            molt_changes_what_is_given_and_nothing_else, molt_kills_and_takes_it_back, molt_says_what_was_refused,
            molt_tries_again_when_somebody_was_faster,
        }
    };
    trials.extend(trials! { group, alone;
        adoption { an_override_counts_from_the_first_answer_after_a_start }
    });
    group.run(1, trials)
}
