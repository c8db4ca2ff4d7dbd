//! The control plane exported and restored. Each test has stacks of its own.

mod bad_input;
mod newcomer;
mod whole;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("recovery", &[]);
    let trials = trials! { group, alone;
        whole { a_lost_platform_begins_again_from_its_archive, }
        newcomer { whoever_came_after_the_export_is_saved_again, }
        bad_input { a_bad_archive_is_refused_and_named, a_restore_that_broke_off_goes_on, other_root_keys_are_named_and_shut_everybody_out }
    };
    group.run(2, trials)
}
