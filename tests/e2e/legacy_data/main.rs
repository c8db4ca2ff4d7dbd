//! What the system before this one kept of its users: taken over once, verified, and never laid over what came after it.

mod archives;
mod imported;
mod undecided;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new(
        "legacy_data",
        &["--var", "container-gateway.SNAPSHOT_INTERVAL_SECONDS=3"],
    );
    let trials = trials! { group, shared;
        imported {
            an_archive_becomes_the_first_snapshot_and_is_never_laid_again, a_cut_archive_gives_way_to_the_one_before_it,
            single_files_are_taken_where_there_is_no_archive, a_token_reads_what_was_kept_of_its_own_user_alone,
        }
        undecided {
            what_is_not_whole_fails_the_start_until_somebody_decides, a_home_that_shrank_waits_for_somebody,
            a_damaged_database_is_named,
        }
    };
    group.run(3, trials)
}
