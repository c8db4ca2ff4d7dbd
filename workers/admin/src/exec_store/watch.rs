//! Who looks at which exec, and whether it changed: plain numbers in the object's memory.
//!
//! Readers wait by looking at a number, and the driver learns from the same entry that somebody watches or that it should look again. Nothing
//! here outlives the object: whoever watched an object that is gone is gone with it.

use molt_common::id::ExecId;
use molt_common::time::Millis;
use molt_platform::entropy;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;
use worker::Delay;

/// Whoever waits looks again after so many milliseconds: at first often, because most of what is waited for comes soon.
const LOOK_MS: (u64, u64) = (2, 20);
/// The pause is this part of how long he has waited, so that looking adds little to it.
const LOOK_SHARE: u64 = 8;
use std::task::{Poll, Waker};

#[derive(Default)]
struct Entry {
    watchers: u32,
    driven: bool,
    version: u64,
    interrupted: bool,
    /// Of the driver's wait. Woken by the driver's own event alone: what another event does only sets `interrupted`.
    waker: Option<Waker>,
}

#[derive(Default)]
struct Numbers {
    entries: RefCell<HashMap<ExecId, Entry>>,
    changes: Cell<u64>,
    submissions: Cell<u64>,
    watching: Cell<u32>,
    /// Somebody was interrupted and perhaps not woken.
    interruptions: Cell<bool>,
}

/// The object's entries; a copy is the same.
#[derive(Clone, Default)]
pub struct Watches {
    numbers: Rc<Numbers>,
}

/// Somebody watches an exec, until this is dropped.
pub struct Watching {
    of: Watches,
    id: ExecId,
}

/// Somebody brings an exec on, until this is dropped.
pub struct Driving {
    of: Watches,
    id: ExecId,
}

impl Watches {
    fn with<T>(&self, id: &ExecId, change: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = self.numbers.entries.borrow_mut();
        let entry = entries.entry(id.clone()).or_default();
        let result = change(entry);
        if entry.watchers == 0 && !entry.driven {
            entries.remove(id);
        }
        result
    }

    /// Watches an exec: what it writes is fetched soon, and [`Watches::version`] counts.
    pub fn watch(&self, id: &ExecId) -> Watching {
        let changes = self.numbers.changes.get();
        self.with(id, |entry| {
            if entry.watchers == 0 {
                // Whoever waits for its end alone is to ask for output now.
                entry.interrupted = entry.driven;
                self.numbers.interruptions.set(true);
                entry.version = entry.version.max(changes);
            }
            entry.watchers = entry.watchers.saturating_add(1);
        });
        self.numbers.watching.set(self.numbers.watching.get().saturating_add(1));
        Watching {
            of: self.clone(),
            id: id.clone(),
        }
    }

    /// Whether somebody watches it.
    pub fn watched(&self, id: &ExecId) -> bool {
        self.numbers
            .entries
            .borrow()
            .get(id)
            .is_some_and(|entry| entry.watchers > 0)
    }

    /// Another number after each change of the job or of its output, for those who watch it. Read it before what it is about.
    pub fn version(&self, id: &ExecId) -> u64 {
        self.numbers.entries.borrow().get(id).map_or(0, |entry| entry.version)
    }

    /// How many watch anything.
    pub fn watching(&self) -> u32 {
        self.numbers.watching.get()
    }

    /// The job or its output changed.
    pub fn changed(&self, id: &ExecId) {
        let next = self.numbers.changes.get().wrapping_add(1);
        self.numbers.changes.set(next);
        if let Some(entry) = self.numbers.entries.borrow_mut().get_mut(id) {
            entry.version = next;
        }
    }

    /// Claims the driving of an exec; `None` while somebody drives it.
    pub fn drive(&self, id: &ExecId) -> Option<Driving> {
        let claimed = self.with(id, |entry| {
            let free = !entry.driven;
            entry.driven = true;
            entry.interrupted &= !free;
            free
        });
        claimed.then(|| Driving {
            of: self.clone(),
            id: id.clone(),
        })
    }

    /// What its driver waits for is no longer the next thing: it is to look again.
    pub fn interrupt(&self, id: &ExecId) {
        if let Some(entry) = self.numbers.entries.borrow_mut().get_mut(id) {
            entry.interrupted = true;
            self.numbers.interruptions.set(true);
        }
    }

    /// Wakes the drivers that were interrupted. For the event that drives them: futures are not shared between events.
    pub fn wake_interrupted(&self) {
        if !self.numbers.interruptions.take() {
            return;
        }
        let mut entries = self.numbers.entries.borrow_mut();
        let wakers: Vec<Waker> = entries
            .values_mut()
            .filter(|entry| entry.interrupted)
            .filter_map(|entry| entry.waker.take())
            .collect();
        drop(entries);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// There is a new exec.
    pub fn submitted(&self) {
        self.numbers
            .submissions
            .set(self.numbers.submissions.get().wrapping_add(1));
    }

    /// Another number after each change of any job, whoever watches it. Read it before what it is about.
    pub fn changes(&self) -> u64 {
        self.numbers.changes.get()
    }

    /// How many watch this exec.
    pub fn watchers(&self, id: &ExecId) -> u32 {
        self.numbers.entries.borrow().get(id).map_or(0, |entry| entry.watchers)
    }

    /// Another number after each submission.
    pub fn submissions(&self) -> u64 {
        self.numbers.submissions.get()
    }
}

impl Driving {
    /// Ends when the driver is to look again.
    pub fn interruption(&self) -> impl Future<Output = ()> {
        poll_fn(|context| {
            self.of.with(&self.id, |entry| {
                if std::mem::take(&mut entry.interrupted) {
                    return Poll::Ready(());
                }
                entry.waker = Some(context.waker().clone());
                Poll::Pending
            })
        })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.of
            .with(&self.id, |entry| entry.watchers = entry.watchers.saturating_sub(1));
        let watching = &self.of.numbers.watching;
        watching.set(watching.get().saturating_sub(1));
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.of.with(&self.id, |entry| {
            entry.driven = false;
            entry.waker = None;
        });
    }
}

/// Waits until a number is no longer the one that was seen, at most until then; says whether it is another.
pub async fn moved(number: impl Fn() -> u64, seen: u64, until: Millis) -> bool {
    let began = entropy::now();
    while number() == seen {
        let now = entropy::now();
        if now >= until {
            return false;
        }
        let (least, most) = LOOK_MS;
        let pause = (now.since(began) / LOOK_SHARE).clamp(least, most);
        Delay::from(Duration::from_millis(pause)).await;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::Watches;
    use futures_util::FutureExt;
    use molt_common::id::ExecId;

    fn id(text: &str) -> ExecId {
        ExecId::parse(text).unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn who_watches_sees_each_change() {
        let (watches, one) = (Watches::default(), id("one"));
        watches.changed(&one);
        assert!(!watches.watched(&one));
        let (first, second) = (watches.watch(&one), watches.watch(&one));
        let before = watches.version(&one);
        watches.changed(&id("two"));
        assert_eq!(watches.version(&one), before, "another's change");
        watches.changed(&one);
        assert_ne!(watches.version(&one), before);
        drop(first);
        assert!(watches.watched(&one) && watches.watching() == 1);
        drop(second);
        assert!(!watches.watched(&one) && watches.numbers.entries.borrow().is_empty());
    }

    #[test]
    fn one_drives_and_is_told_to_look_again() {
        let (watches, one) = (Watches::default(), id("one"));
        let driving = watches.drive(&one);
        assert!(driving.is_some() && watches.drive(&one).is_none());
        let interrupted = || {
            watches.wake_interrupted();
            driving
                .as_ref()
                .is_some_and(|driving| driving.interruption().now_or_never().is_some())
        };
        assert!(!interrupted());
        let _watching = watches.watch(&one);
        assert!(interrupted() && !interrupted(), "somebody watches now, told once");
        watches.interrupt(&one);
        assert!(interrupted());
        drop(driving);
        assert!(watches.drive(&one).is_some());
    }
}
