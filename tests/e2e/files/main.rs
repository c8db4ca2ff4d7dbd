//! Files of sandboxes through the admin API.

mod hostile;
mod running;
mod saved;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("files", &[]);
    let trials = trials! { group, shared;
        running {
            a_file_is_written_read_and_removed, odd_names_are_names, ten_thousand_entries_come_by_pages,
            two_hundred_megabytes_pass_and_memory_stays, a_folder_comes_as_an_archive, a_batch_has_an_outcome_for_each,
            the_cli_carries_files, contents_leave_a_trail,
        }
        hostile {
            nothing_leads_out_of_the_home, a_page_among_the_files_is_only_a_download, nothing_starts_for_a_file, keys_need_the_scope,
        }
        saved {
            what_was_saved_is_read_while_the_disk_goes_on, a_snapshot_is_never_written,
        }
    };
    group.run(3, trials)
}
