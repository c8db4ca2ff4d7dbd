//! What sandboxd tells in that world.

use super::world::{Inside, World};
use molt_common::control::{SupervisorPhase, SupervisorStatus};

impl World {
    /// Its answer; `None` while nothing answers.
    pub fn status(&self) -> Option<SupervisorStatus> {
        let container = self.container.as_ref()?;
        let phase = match container.inside {
            Inside::Silent => return None,
            Inside::Configure => SupervisorPhase::Configure,
            Inside::Agent => SupervisorPhase::Agent,
            Inside::Ready => SupervisorPhase::Ready,
            Inside::Failed => SupervisorPhase::Failed,
            Inside::Stopping => SupervisorPhase::Stopping,
        };
        Some(SupervisorStatus {
            boot_id: format!("boot-{}", container.generation),
            generation: container.generation,
            phase,
            cause: None,
            agent: "echo".into(),
            agent_pid: None,
            agent_restarts: container.restarts,
            open_sockets: 0,
            last_request_at: None,
            last_client_frame_at: None,
            running_commands: 0,
            last_active_at: container.active_at.map(|at| at.0),
            busy: if container.busy { vec!["agent".into()] } else { vec![] },
            next_wake_at: container.wake_at.map(|at| at.0),
            restart: None,
            snapshots: None,
            config: None,
            providers: None,
            log_tail: vec![],
            now: self.now.0,
        })
    }
}
