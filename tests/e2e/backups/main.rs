//! Snapshots through the admin API, and users with all that is kept of them. One stack, with users of their own.

mod history;
mod people;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("backups", &[]);
    let trials = trials! { group, shared;
        history {
            what_is_saved_is_listed_compared_and_restored, one_path_is_put_back_beside_what_is_there,
            a_snapshot_is_taken_off_the_list_after_a_confirmation, old_words_are_answered_from_the_list,
            restic_itself_reads_and_cannot_write, what_is_wrong_is_named,
        }
        people {
            an_operator_creates_and_renames, a_removed_user_leaves_nothing, an_export_holds_rows_and_files,
        }
    };
    group.run(3, trials)
}
