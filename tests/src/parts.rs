//! The parts of a user's running sandbox as processes of this machine, to be killed or held one by one.

use crate::people::User;
use crate::processes::{self, Process};
use crate::stack::Stack;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What may be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The agent's process.
    Agent,
    /// The shim that starts and holds the agent.
    Shim,
    /// `sandboxd serve`.
    Serve,
    /// The child that saves or restores, while there is one.
    Saver,
    /// `sandboxd init`, the first process of the container.
    Init,
    /// Everything in the container at once.
    Container,
    /// The engine, and with it every container.
    Engine,
}

impl Part {
    fn is(self, process: &Process) -> bool {
        let command = process.command.as_str();
        let outer = command.contains("bwrap");
        match self {
            Self::Agent => command.contains("sandboxd echo-agent"),
            Self::Shim => command.contains("sandboxd run-agent"),
            Self::Serve => command.contains("sandboxd serve"),
            Self::Saver => command.contains("sandboxd snapshot"),
            Self::Init => command.contains("sandboxd init") && !outer,
            Self::Container => true,
            Self::Engine => false,
        }
    }
}

impl Stack {
    /// Processes of a part of a user's sandbox; none while it has none.
    ///
    /// # Panics
    /// When there is no engine stand-in, or it does not answer.
    pub async fn part(&self, user: &User, part: Part) -> Vec<i32> {
        if part == Part::Engine {
            return vec![self.ready.process("engine")];
        }
        let roots = self.engine.running(user).await;
        let all = roots.into_iter().flat_map(processes::tree);
        all.filter(|process| part.is(process))
            .map(|process| process.pid)
            .collect()
    }

    /// Sends a signal to every process of a part. How many there were.
    ///
    /// # Panics
    /// See [`Stack::part`].
    pub async fn signal_part(&self, user: &User, part: Part, signal: Signal) -> usize {
        let pids = self.part(user, part).await;
        // One that has ended in the meantime is what was wanted.
        let sent = pids.iter().filter(|pid| kill(Pid::from_raw(**pid), signal).is_ok());
        sent.count()
    }
}
