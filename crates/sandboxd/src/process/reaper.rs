//! Ending everything below this process, and collecting what ends.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgrp, getsid};

use super::exit::{Exit, Left, reap_ended};
use super::tree::{Member, children, living_descendants};

/// How long one attempt may go on stopping processes that make new ones. It occupies the thread.
const STILL_PATIENCE: Duration = Duration::from_secs(1);
/// How often in a row children are listed between two looks at the whole machine, and how often without finding another.
const ROUNDS: usize = 200;
const QUIET_ROUNDS: usize = 4;

/// Which processes below this one are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those of one session.
    Session(i32),
}

impl Scope {
    fn has(self, pid: i32) -> bool {
        match self {
            Self::All => true,
            Self::Session(session) => getsid(Some(Pid::from_raw(pid))).is_ok_and(|of| of.as_raw() == session),
        }
    }

    const fn includes(self, member: &Member) -> bool {
        match self {
            Self::All => true,
            Self::Session(session) => member.session == session,
        }
    }
}

/// Collects what has ended below this process and remembers how the one that matters did.
#[derive(Debug)]
pub struct Reaper {
    main: Pid,
    exit: Option<Exit>,
    left: Left,
}

impl Reaper {
    /// For a process that was just started.
    pub const fn new(main: Pid) -> Self {
        Self {
            main,
            exit: None,
            left: Left::Unknown,
        }
    }

    /// Collects what has ended by now; how the main process did, once it has.
    pub fn reap(&mut self) -> Option<Exit> {
        let (reaped, left) = reap_ended();
        self.left = left;
        let main = reaped.into_iter().find(|reaped| reaped.pid == self.main);
        self.exit = self.exit.or(main.map(|reaped| reaped.exit));
        self.exit
    }

    /// Whether nothing was left below this process when it last collected: orphans come to it, so without children it has no descendants.
    pub const fn childless(&self) -> bool {
        matches!(self.left, Left::Nothing)
    }

    /// Whether there may be more to collect at once.
    pub const fn has_more(&self) -> bool {
        matches!(self.left, Left::Unknown)
    }

    /// Sends TERM to all of them, and wakes those that are stopped, so that they can answer it.
    pub fn terminate(&mut self) {
        for member in living_descendants() {
            let pid = Pid::from_raw(member.pid);
            // It may have ended since; then there is nothing to do.
            let _ = kill(pid, Signal::SIGTERM);
            if member.still {
                let _ = kill(pid, Signal::SIGCONT);
            }
        }
        self.reap();
    }

    /// Kills all that are in `scope` and returns how many there were. What forks without end would outrun a list of processes that is worked
    /// through, so everything is stopped first, until nothing runs any more: what is stopped neither forks nor makes room for others that do.
    pub fn kill(&mut self, scope: Scope) -> usize {
        let deadline = Instant::now() + STILL_PATIENCE;
        loop {
            self.stop_downwards(scope, deadline);
            let running = select(scope, |member| !member.still);
            if running.is_empty() || Instant::now() >= deadline {
                break;
            }
            signal(&running, Signal::SIGSTOP);
        }
        let left = select(scope, |_| true);
        signal(&left, Signal::SIGKILL);
        self.reap();
        left.len()
    }

    /// Stops each process as soon as it is found, parents before children, so that what was looked at has no more children than were seen.
    /// What goes from fork to fork, each time as another process that lives too briefly for a look at the whole tree, is a child of ours
    /// once its parent has ended, and ours are looked at again and again.
    fn stop_downwards(&mut self, scope: Scope, deadline: Instant) {
        let mut seen: HashSet<i32> = HashSet::new();
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            let mut unseen = children(Pid::this().as_raw());
            let before = seen.len();
            while let Some(pid) = unseen.pop() {
                if seen.insert(pid) {
                    if scope.has(pid) {
                        let _ = kill(Pid::from_raw(pid), Signal::SIGSTOP);
                    }
                    unseen.extend(children(pid));
                }
            }
            quiet = if seen.len() == before { quiet + 1 } else { 0 };
            if quiet >= QUIET_ROUNDS || Instant::now() >= deadline {
                break;
            }
            self.reap();
        }
    }
}

fn select(scope: Scope, also: impl Fn(&Member) -> bool) -> Vec<Member> {
    let members = living_descendants().into_iter();
    members
        .filter(|member| scope.includes(member) && also(member))
        .collect()
}

/// Signals the members and their process groups. A group is signalled in one go, with whatever its members start at that moment, and since
/// everything below a shim leads sessions of its own, it has members of this tree alone.
fn signal(members: &[Member], signal: Signal) {
    let own = getpgrp();
    let groups: HashSet<i32> = members.iter().map(|member| member.group).collect();
    for group in groups.into_iter().filter(|group| *group > 1 && *group != own.as_raw()) {
        let _ = killpg(Pid::from_raw(group), signal);
    }
    for member in members {
        let _ = kill(Pid::from_raw(member.pid), signal);
    }
}
