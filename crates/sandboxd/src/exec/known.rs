//! The commands of a boot as far as memory knows them.

use std::collections::HashMap;

use molt_common::control::ExecReport;
use tokio::sync::watch;

use super::StartRefusal;
use super::journal::Entry;
use super::retention;

/// Commands that may run at the same time; each costs a shim of a few megabytes.
const MAX_RUNNING: usize = 128;

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Its start was asked for and is not yet answered.
    Launching,
    /// It has a shim.
    Running,
    /// Its outcome is known, or it is known that it never began.
    Done {
        /// Epoch milliseconds.
        at: u64,
    },
}

impl Progress {
    /// Whether nothing more will happen.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

struct Known {
    entry: Entry,
    progress: watch::Sender<Progress>,
    /// The outcome, where the disk did not take it.
    unwritten: Option<Box<ExecReport>>,
}

/// All of them, by id.
#[derive(Default)]
pub struct KnownCommands {
    commands: HashMap<String, Known>,
    stopping: bool,
}

impl KnownCommands {
    /// Adds a command that this serve has not started itself.
    pub fn insert(&mut self, exec_id: String, entry: Entry, progress: Progress) {
        let known = Known {
            entry,
            progress: watch::Sender::new(progress),
            unwritten: None,
        };
        self.commands.insert(exec_id, known);
    }

    /// True when the id is new and now the caller's to start; false when the same request came before.
    pub fn reserve(&mut self, exec_id: &str, entry: &Entry) -> Result<bool, StartRefusal> {
        if let Some(known) = self.commands.get(exec_id) {
            return if known.entry.digest == entry.digest {
                Ok(false)
            } else {
                Err(StartRefusal::Conflict)
            };
        }
        if self.stopping {
            return Err(StartRefusal::Stopping);
        }
        if self.running().count() >= MAX_RUNNING {
            return Err(StartRefusal::Busy);
        }
        self.insert(exec_id.to_owned(), entry.clone(), Progress::Launching);
        Ok(true)
    }

    /// Ids of those that are not done.
    pub fn running(&self) -> impl Iterator<Item = &String> {
        let running = self.commands.iter();
        running
            .filter(|(_, known)| !known.progress.borrow().is_done())
            .map(|(exec_id, _)| exec_id)
    }

    /// When one ran last, `now_ms` while one does.
    pub fn last_active_at(&self, now_ms: u64) -> Option<u64> {
        let progress = self.commands.values().map(|known| *known.progress.borrow());
        progress
            .map(|progress| match progress {
                Progress::Done { at } => at,
                Progress::Launching | Progress::Running => now_ms,
            })
            .max()
    }

    /// From now on nothing new is taken.
    pub const fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether the id is known.
    pub fn contains(&self, exec_id: &str) -> bool {
        self.commands.contains_key(exec_id)
    }

    /// When the request was taken, epoch milliseconds.
    pub fn taken_at(&self, exec_id: &str) -> Option<u64> {
        self.commands.get(exec_id).map(|known| known.entry.taken_at)
    }

    /// Follows how far a command is.
    pub fn progress(&self, exec_id: &str) -> Option<watch::Receiver<Progress>> {
        self.commands.get(exec_id).map(|known| known.progress.subscribe())
    }

    /// Tells how far a command is.
    pub fn advance(&self, exec_id: &str, progress: Progress) {
        if let Some(known) = self.commands.get(exec_id) {
            known.progress.send_replace(progress);
        }
    }

    /// Keeps an outcome that could not be written.
    pub fn keep(&mut self, exec_id: &str, report: ExecReport) {
        if let Some(known) = self.commands.get_mut(exec_id) {
            known.unwritten = Some(Box::new(report));
        }
    }

    /// An outcome that could not be written.
    pub fn unwritten(&self, exec_id: &str) -> Option<ExecReport> {
        self.commands.get(exec_id)?.unwritten.as_deref().cloned()
    }

    /// Forgets a command, and wakes whoever waits for it.
    pub fn remove(&mut self, exec_id: &str, at: u64) {
        if let Some(known) = self.commands.remove(exec_id) {
            known.progress.send_replace(Progress::Done { at });
        }
    }

    /// Takes out what need not be kept any longer, and returns its ids.
    pub fn take_expired(&mut self, now: u64) -> Vec<String> {
        let finished = self
            .commands
            .iter()
            .filter_map(|(exec_id, known)| match *known.progress.borrow() {
                Progress::Done { at } => Some((exec_id.clone(), at)),
                _ => None,
            })
            .collect();
        let expired = retention::expired(finished, now);
        for exec_id in &expired {
            self.commands.remove(exec_id);
        }
        expired
    }
}
