//! Sockets that outlive their connections, through router, gateway and object; short forms of the drills `socket-resume` and `socket-soak`.

mod drained;
mod resume;
mod soak;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("sockets", &["--var", "container-gateway.SOCKET_RESUME=on"]);
    let trials = trials! { group, shared;
        drained { a_socket_stays_while_streams_drain_beside_it }
        soak { sockets_stay_and_memory_is_flat }
        resume { nothing_is_lost_or_doubled_whatever_breaks, a_restart_of_the_agent_is_told_and_waited_for }
    };
    // One breaks what the other uses.
    group.run(1, trials)
}
