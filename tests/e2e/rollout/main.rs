//! Three routers with a process each, and what ran before: which side answers whom.

mod credentials;
mod faults;
mod flips;
mod outage;
mod partial;
mod routes;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("rollout", &["--split", "--routers", "3", "--legacy"]);
    let mut trials = trials! { group, shared;
        flips {
            a_flip_and_a_kill_are_seen_by_each_router_under_load, an_idle_router_obeys_with_its_first_request,
            an_open_socket_stays_open_when_the_flag_flips,
        }
        partial {
            a_user_keeps_his_side_on_every_router_and_when_the_share_grows, an_admin_key_keeps_its_side_on_every_router,
            lists_count_a_verified_user_and_nobody_who_claims_to_be_him,
        }
        routes {
            the_control_plane_is_reached_whatever_the_flags_say, the_status_shows_how_flags_stand,
            a_preflight_is_answered_for_everybody,
        }
        credentials {
            what_ran_before_gets_the_token_and_not_our_cookies, nobody_who_is_shut_out_reaches_what_ran_before, no_admin_key_of_ours_reaches_what_ran_before,
            no_client_speaks_to_the_fence_of_what_ran_before,
        }
        outage {
            without_the_admin_worker_the_last_flags_hold_and_an_override_counts,
        }
    };
    trials.extend(trials! { group, alone; faults { kv_that_fails_on_every_call_fails_no_request } });
    // Each sets the flags that the others go by.
    group.run(1, trials)
}
