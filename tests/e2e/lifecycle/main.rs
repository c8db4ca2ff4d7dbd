//! Sandboxes that sleep, wake, are killed and find no room. One stack where sandboxes sleep after a quarter of a minute, and stacks of their own for what
//! concerns a whole engine.

mod capacity;
mod crash_loop;
mod kills;
mod observation;
mod sleep;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

/// Seconds without activity after which a sandbox of this stack sleeps.
pub const IDLE_SECONDS: u64 = 15;

fn main() -> ExitCode {
    let group = Group::new("lifecycle", &["--var", "container-gateway.IDLE_SLEEP_SECONDS=15"]);
    let shared = trials! { group, shared;
        observation { asking_a_thousand_times_starts_nothing_and_moves_no_sleep }
        sleep {
            a_sleeping_sandbox_wakes_by_a_request, a_sleeping_sandbox_wakes_by_a_command, a_sleeping_sandbox_wakes_by_the_agents_own_schedule, an_open_tab_does_not_keep_it_awake,
            it_does_not_sleep_while_a_command_runs, no_request_is_lost_when_it_goes_to_sleep
        }
        kills {
            a_killed_agent_is_told_and_healed, a_killed_serve_is_healed, a_killed_init_is_told_and_healed,
            a_killed_container_is_told_and_healed
        }
        crash_loop { a_sandbox_that_ends_again_and_again_is_left_alone_for_a_while }
    };
    let alone = trials! { group, alone;
        capacity { whoever_finds_no_room_is_told_and_served_when_there_is_some }
        kills { a_killed_engine_is_told_and_healed }
    };
    group.run(6, shared.into_iter().chain(alone).collect())
}
