//! What a killed guard left behind: this process has adopted it and ends it.

use std::time::{Duration, Instant};

use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpid};

use super::tree::{self, Process};

/// How long killed processes get to disappear.
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// What is not to be touched.
#[derive(Clone, Debug, Default)]
pub struct Spared {
    /// Process ids of the guards that are at work, with all below them.
    pub guards: Vec<i32>,
    /// Session of a browser that was opened.
    pub session: Option<i32>,
}

impl Spared {
    fn covers(&self, process: &Process) -> bool {
        self.guards.contains(&process.pid) || self.session == Some(process.session)
    }
}

/// Kills and reaps everything below this process but what is spared. Returns how many processes are still there at the end of the
/// time, which is none unless one hangs in the kernel.
pub async fn sweep(spared: &Spared) -> usize {
    let me = getpid().as_raw();
    let deadline = Instant::now() + LIMIT;
    loop {
        let left = tree::descendants(me, &tree::snapshot(), &|process| spared.covers(process));
        tree::kill_all(&left);
        for process in left.iter().filter(|process| process.parent == me) {
            // One by one: waiting for any child would take the ends of the guards away from those who wait for them.
            let _ = waitpid(Pid::from_raw(process.pid), Some(WaitPidFlag::WNOHANG));
        }
        if left.is_empty() || Instant::now() >= deadline {
            return left.len();
        }
        tokio::time::sleep(PAUSE).await;
    }
}
