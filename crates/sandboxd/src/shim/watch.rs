//! From the start of a command to the end of its last process.

use std::time::Duration;

use nix::unistd::Pid;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::child;
use super::server::StopOrder;
use crate::clock::now_ms;
use crate::process::exit::Exit;
use crate::process::reaper::{Reaper, Scope};

/// How long output of background children is still taken after the command itself has exited.
const DRAIN: Duration = Duration::from_secs(1);
/// How long what is left in a pipe takes to be read once nobody is to add to it.
const LAST_BYTES: Duration = Duration::from_millis(50);
/// How long the tree may take to disappear after KILL.
const KILL_PATIENCE: Duration = Duration::from_secs(2);
/// How long everything below a stopped command may take to disappear after KILL. A busy machine is no reason to leave any of it; only what hangs in
/// the kernel is given up.
const TREE_PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at what is left of a tree.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Between TERM and KILL when the sandbox stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Why it was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its time was up.
    TimedOut,
    /// Somebody wanted it to stop, for this reason.
    Cancelled(String),
}

/// How it went.
#[derive(Debug)]
pub struct End {
    /// The exit of the command's own process.
    pub exit: Exit,
    /// Epoch milliseconds of it.
    pub at: u64,
    /// Why it was stopped, if it was.
    pub ending: Option<Ending>,
}

/// What is watched.
pub struct Watch {
    /// The command's own process.
    pub main: Pid,
    /// Collects what ends.
    pub reaper: Reaper,
    /// Tells that something may have ended.
    pub ended: Signal,
    /// Tells that the sandbox stops.
    pub terminated: Signal,
    /// Orders to stop.
    pub stop: mpsc::UnboundedReceiver<StopOrder>,
    /// Between TERM and KILL.
    pub kill_grace: Duration,
}

impl Watch {
    /// Until everything is over that the command has started, except what has left its session after an end by itself. `output` are the
    /// tasks that take its output.
    pub async fn until_ended(&mut self, time_up: Instant, output: &mut JoinSet<()>) -> End {
        let mut ending: Option<Ending> = None;
        let mut kill_at: Option<Instant> = None;
        let exit = loop {
            // What has ended in time was not stopped, even if the clock is looked at too late to see it.
            if let Some(exit) = self.reaper.reap() {
                break exit;
            }
            let (reason, grace) = tokio::select! {
                _ = self.ended.recv() => continue,
                // What forks without end must not keep the thread from the clock and from those who ask.
                () = yield_now(), if self.reaper.has_more() => continue,
                Some(StopOrder { reason, grace_limit }) = self.stop.recv() => {
                    let grace = grace_limit.unwrap_or(self.kill_grace).min(self.kill_grace);
                    (Ending::Cancelled(reason), grace)
                }
                _ = self.terminated.recv() => {
                    (Ending::Cancelled("the sandbox stops".to_owned()), STOP_GRACE.min(self.kill_grace))
                }
                () = sleep_until(time_up), if ending.is_none() => (Ending::TimedOut, self.kill_grace),
                () = child::until(kill_at) => {
                    self.reaper.kill(Scope::All);
                    kill_at = Some(Instant::now() + LOOK_AGAIN);
                    continue;
                }
            };
            if self.reaper.reap().is_some() {
                continue;
            }
            // A second order can only hasten the end, and the first is the reason.
            let wanted = Instant::now() + grace;
            kill_at = Some(kill_at.map_or(wanted, |kill_at| kill_at.min(wanted)));
            if ending.is_none() {
                ending = Some(reason);
                self.reaper.terminate();
            }
        };
        let at = now_ms();
        match kill_at {
            Some(kill_at) => self.end_tree(kill_at).await,
            None => self.end_session(output).await,
        }
        // What a daemon of another session still writes to the pipe is no longer the command's output.
        let _ = timeout(LAST_BYTES, drained(output)).await;
        End { exit, at, ending }
    }

    /// After a normal exit: takes the output that background children still write, for a moment, then ends the command's session. A process
    /// that left the session (`setsid`) was meant to stay and does.
    async fn end_session(&mut self, output: &mut JoinSet<()>) {
        let _ = timeout(DRAIN, drained(output)).await;
        self.reaper.reap();
        let session = self.main.as_raw();
        let deadline = Instant::now() + KILL_PATIENCE;
        while !self.reaper.childless() && self.reaper.kill(Scope::Session(session)) > 0 && Instant::now() < deadline {
            sleep(LOOK_AGAIN).await;
            self.reaper.reap();
        }
    }

    /// After a stop: everything below goes, whatever session it made for itself. It had TERM already.
    async fn end_tree(&mut self, kill_at: Instant) {
        let deadline = kill_at.max(Instant::now()) + TREE_PATIENCE;
        self.reaper.reap();
        while !self.reaper.childless() && Instant::now() < deadline {
            if Instant::now() >= kill_at {
                self.reaper.kill(Scope::All);
            }
            // What ends cuts the wait short.
            let _ = timeout(LOOK_AGAIN, self.ended.recv()).await;
            self.reaper.reap();
        }
        if !self.reaper.childless() {
            tracing::error!("processes of a stopped command are left");
        }
    }
}

/// Until all output was taken.
async fn drained(output: &mut JoinSet<()>) {
    while output.join_next().await.is_some() {}
}
