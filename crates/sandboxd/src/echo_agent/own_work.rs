//! What the echo agent does by itself: work that was ordered, and a schedule of one entry that outlives it on the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::clock::now_ms;

/// File in the home that holds when it has something to do, in epoch milliseconds.
const SCHEDULE_FILE: &str = ".echo-schedule-at-ms";

/// See the module.
pub struct OwnWork {
    schedule_file: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    busy_until: u64,
    scheduled_at: Option<u64>,
    ran: u32,
}

impl OwnWork {
    /// With the schedule that an earlier agent has left in this home.
    pub fn restore(home: &Path) -> Self {
        let schedule_file = home.join(SCHEDULE_FILE);
        let kept = fs::read_to_string(&schedule_file).ok();
        let scheduled_at = kept.and_then(|text| text.trim().parse().ok());
        Self {
            schedule_file,
            state: Mutex::new(State {
                scheduled_at,
                ..State::default()
            }),
        }
    }

    /// Every change is one assignment, so a lock that a panic has poisoned is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At work for the next `ms` milliseconds.
    pub fn begin(&self, ms: u64) -> Option<()> {
        self.state().busy_until = now_ms().checked_add(ms)?;
        Some(())
    }

    /// Something to do at `at`, or nothing.
    pub fn schedule(&self, at: Option<u64>) -> io::Result<()> {
        match at {
            Some(at) => fs::write(&self.schedule_file, at.to_string())?,
            None => forget(&self.schedule_file)?,
        }
        self.state().scheduled_at = at;
        Ok(())
    }

    /// How it is. What has become due is done by saying so.
    pub fn told(&self) -> Value {
        let now = now_ms();
        let mut state = self.state();
        if state.scheduled_at.is_some_and(|at| at <= now) {
            if let Err(error) = forget(&self.schedule_file) {
                tracing::warn!(%error, "cannot forget the schedule");
            }
            state.scheduled_at = None;
            state.ran += 1;
        }
        json!({ "busy": state.busy_until > now, "nextWakeAt": state.scheduled_at, "ran": state.ran })
    }
}

fn forget(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_outlives_the_agent_and_comes_true_once() {
        let home = tempfile::tempdir().unwrap();
        let work = OwnWork::restore(home.path());
        let later = now_ms() + 60_000;
        work.schedule(Some(later)).unwrap();
        assert_eq!(OwnWork::restore(home.path()).told()["nextWakeAt"], later);
        work.schedule(Some(1)).unwrap();
        assert_eq!(work.told(), json!({ "busy": false, "nextWakeAt": null, "ran": 1 }));
        assert_eq!(work.told()["ran"], 1);
        assert_eq!(OwnWork::restore(home.path()).told()["ran"], 0);
        work.begin(60_000).unwrap();
        assert_eq!(work.told()["busy"], true);
        assert!(work.begin(u64::MAX).is_none());
    }
}
