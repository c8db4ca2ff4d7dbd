//! A process per worker and two routers.

mod direct_calls;
mod routers;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("split", &["--split", "--routers", "2"]);
    let trials = trials! { group, shared;
        direct_calls { a_backend_accepts_only_the_routers_identity_for_this_call }
        routers { both_routers_reach_the_same_sandbox, a_router_that_dies_takes_no_other_along }
    };
    // One kills what the other uses.
    group.run(1, trials)
}
