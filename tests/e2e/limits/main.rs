//! Rate limits on a stack that allows little: a process per worker and two routers.

mod exact;
mod kv_fault;
mod said;
mod shared;
mod subjects;
mod without_admin;

use e2e_tests::harness::Group;
use e2e_tests::launch::root;
use e2e_tests::trials;
use std::process::ExitCode;

/// What this stack allows; whatever is not named is allowed more often than any test asks.
const LIMITS: &str =
    "test;page=60/60s;api=5/4s;socket=3/60s;admin-write=40/60s;admin-guess=5/4s;login=10/60s;asset=100/60s";

fn main() -> ExitCode {
    let limits: &'static str = format!("router.LIMITS={LIMITS}").leak();
    let flags = vec![
        "--split",
        "--routers",
        "2",
        "--var",
        limits,
        "--var",
        "router.CORS_ORIGINS=https://app.example",
    ];
    let group = Group::new("limits", flags.leak());
    let mut trials = trials! { group, shared;
        exact {
            a_strict_class_admits_exactly_its_limit, a_strict_class_is_one_for_all_routers,
            an_admin_key_writes_exactly_its_limit, an_isolate_admits_exactly_its_limit, a_page_load_meets_no_limit,
        }
        said {
            the_wait_is_true_where_isolates_count, the_wait_is_true_where_objects_count, a_browser_gets_a_page,
            a_socket_is_refused_like_any_request, what_is_free_says_nothing, a_sandbox_says_nothing_about_limits,
            pages_of_listed_origins_may_read_it,
        }
        subjects {
            a_forged_token_buys_nothing_and_locks_nobody_out, guesses_do_not_shut_out_who_holds_a_credential,
            an_ipv6_network_counts_as_one,
        }
        shared { what_one_router_counted_the_other_learns }
        without_admin { writes_are_refused_sign_ins_are_counted_and_users_go_on }
    };
    let fault = trials! { group, alone; kv_fault { no_request_fails_with_kv } };
    let built = root().join("workers/router/build-panic/index.js").exists();
    if !built {
        eprintln!("SKIPPED: scripts/build workers --induced-panic was not run");
    }
    trials.extend(fault.into_iter().map(|trial| trial.with_ignored_flag(!built)));
    // One after the other: they share addresses of the engine and the admin secret, and one stops the admin worker.
    group.run(1, trials)
}
