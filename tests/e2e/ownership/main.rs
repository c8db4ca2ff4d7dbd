//! Users who are moved from what ran before to the platform and back.

mod bodies;
mod moves;
mod older_flags;
mod sockets;
mod trouble;
mod world;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("ownership", world::FLAGS);
    let mut trials = trials! { group, shared;
        moves {
            a_user_moves_and_goes_back_and_never_has_two_agents, what_he_made_goes_with_him, what_cannot_be_written_stays,
            who_cannot_be_saved_stays,
            an_admin_call_starts_nothing_for_a_user_who_is_elsewhere, a_client_does_not_reach_the_fence,
        }
        bodies { no_byte_is_lost_on_the_way, a_get_with_a_body_is_answered_by_either_side }
        sockets { a_socket_is_opened_where_the_user_is }
        older_flags { a_router_with_older_flags_undoes_nothing }
        trouble { a_silent_legacy_keeps_nobody_from_the_platform_who_is_there }
    };
    trials.extend(trials! { group, alone;
        trouble { without_a_fence_nobody_is_moved, a_dead_legacy_is_said_to_whom_it_serves_and_hurts_nobody_else, a_runtime_killed_in_the_middle_of_a_move_completes_it }
    });
    // The flag and what ran before are everybody's.
    group.run(1, trials)
}
