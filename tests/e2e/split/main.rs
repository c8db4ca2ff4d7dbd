//! A process per worker and two routers.

mod direct_calls;
mod exec;
mod outbound;
mod routers;
mod switched_off;
mod trust;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("split", &["--split", "--routers", "2"]);
    let trials = trials! { group, shared;
        direct_calls { a_backend_accepts_only_the_routers_identity_for_this_call }
        trust {
            a_key_opens_at_once_and_a_revoked_one_soon_nowhere, signing_out_closes_the_sockets_of_that_session_everywhere,
            a_suspended_user_is_shut_out_everywhere, nothing_is_started_for_a_suspended_user,
            without_the_admin_worker_users_go_on_and_keys_for_a_while,
        }
        switched_off {
            a_flag_that_is_off_is_said_plainly, somebody_unknown_may_show_who_he_is_while_a_flag_is_on_for_some,
        }
        routers { both_routers_reach_the_same_sandbox, a_router_that_dies_takes_no_other_along }
        outbound { lists_that_are_set_before_the_first_visit_hold }
        exec { a_killed_admin_worker_still_tells_the_true_result }
    };
    // One kills what the other uses.
    group.run(1, trials)
}
