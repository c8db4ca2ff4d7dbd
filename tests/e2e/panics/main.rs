//! A stack whose workers panic on request (`scripts/build --induced-panic`): what a panic takes along, and what it leaves alone.

mod d1;
mod exec_store;
mod kv;
mod one_request;
mod trap;

use e2e_tests::harness::Group;
use e2e_tests::launch::root;
use e2e_tests::stack::{NO_BUILD, VARIABLE};
use e2e_tests::trials;
use std::process::{Command, ExitCode};

const WORKERS: [&str; 3] = ["router", "admin", "container-gateway"];

fn main() -> ExitCode {
    let group = Group::new("panics", &["--workers-build", "build-panic"]);
    let mut trials = trials! { group, shared;
        one_request {
            a_panic_in_the_router_ends_its_request_only, a_panic_in_the_gateway_ends_its_request_only,
            a_panic_in_the_sandbox_object_ends_its_request_only, a_panic_in_the_admin_worker_ends_its_request_only,
            a_panic_in_the_exec_store_ends_its_request_only, a_burst_of_panics_everywhere_changes_nothing,
        }
        exec_store {
            a_command_outlives_the_memory_of_its_store, a_command_that_wakes_its_sandbox_is_not_forgotten_nor_run_twice,
        }
        trap { after_a_trap_the_worker_serves_again_and_nothing_stored_is_lost }
    };
    trials.extend(trials! { group, alone;
        d1 { a_sandbox_lives_on_while_d1_hangs_and_its_copies_arrive_afterwards }
        kv { flags_are_changed_while_kv_fails_and_an_override_is_adopted_afterwards }
    });
    if std::env::var_os(VARIABLE).is_some() {
        eprintln!("SKIPPED: a developer's stack runs workers that do not panic on request");
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    } else if !built() {
        eprintln!("SKIPPED: scripts/build workers --induced-panic was not run");
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    }
    // One after the other: each looks at what the others would be to it.
    group.run(1, trials)
}

/// Builds the workers unless the environment forbids it. Whether they are there.
fn built() -> bool {
    if std::env::var_os(NO_BUILD).is_none() {
        let status = Command::new(root().join("scripts/build"))
            .args(["workers", "--induced-panic"])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "the workers that panic on request do not build"
        );
    }
    WORKERS.iter().all(|worker| {
        root()
            .join("workers")
            .join(worker)
            .join("build-panic/index.js")
            .exists()
    })
}
