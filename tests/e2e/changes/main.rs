//! Changes of sandboxes, on a stack whose objects can be evicted on request.

mod choice;
mod once;
mod restart;
mod trouble;

use e2e_tests::harness::Group;
use e2e_tests::induced_faults::InducedFaults;
use e2e_tests::launch::root;
use e2e_tests::stack::{NO_BUILD, VARIABLE};
use e2e_tests::trials;
use std::process::{Command, ExitCode};
use std::sync::LazyLock;

const WORKERS: [&str; 3] = ["router", "admin", "container-gateway"];

/// Faults of the objects.
static FAULTS: LazyLock<InducedFaults> = LazyLock::new(InducedFaults::start);

fn main() -> ExitCode {
    // The group lives as long as the process.
    let flags: Vec<&'static str> = FAULTS
        .flags(&["container-gateway"])
        .into_iter()
        .map(|flag| &*Box::leak(flag.into_boxed_str()))
        .collect();
    let group = Group::new("changes", Box::leak(flags.into_boxed_slice()));
    let mut trials = trials! { group, shared;
        restart {
            an_agent_is_restarted_on_its_disk, a_restarted_sandbox_keeps_what_could_be_saved,
            what_is_stopped_is_started_by_a_restart, a_reset_kills_and_starts_from_nothing,
            a_destroyed_sandbox_stays_so_until_it_is_needed, a_wake_is_over_when_the_agent_is_ready,
            requests_that_come_meanwhile_are_answered,
        }
        once {
            one_change_at_a_time_unless_it_ends_the_other, an_id_is_one_change, what_is_cancelled_ends_where_it_stands,
            a_change_is_listed_and_audited,
        }
        choice {
            a_tier_takes_effect_and_reaches_the_users_row, an_image_is_chosen_and_gone_back_from,
            nothing_is_done_where_nothing_is_to_be_done, keeping_alive_starts_nothing,
        }
        trouble {
            a_killed_supervisor_does_not_stop_the_restart_of_its_agent, a_container_that_dies_under_a_restart_is_told,
            a_sandbox_that_dies_while_it_restarts_is_started_all_the_same, an_end_that_is_not_seen_in_time_is_told_as_that,
            an_object_that_forgets_everything_goes_on,
        }
    };
    if std::env::var_os(VARIABLE).is_some() {
        eprintln!("SKIPPED: a developer's stack runs workers whose objects are not evicted on request");
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    } else if !built() {
        eprintln!("SKIPPED: scripts/build workers --induced-panic was not run");
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    }
    group.run(3, trials)
}

/// Builds the workers unless the environment forbids it. Whether they are there.
fn built() -> bool {
    if std::env::var_os(NO_BUILD).is_none() {
        let status = Command::new(root().join("scripts/build"))
            .args(["workers", "--induced-panic"])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "the workers with faults on request do not build"
        );
    }
    let build = |worker: &&str| root().join("workers").join(worker).join("build-panic/index.js");
    WORKERS.iter().all(|worker| build(worker).exists())
}
