//! The sessions of one sandbox, and what they may hold together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::link::Link;
use crate::proxy::sessions::Session;

/// Sessions at most, with and without a connection.
const MOST_SESSIONS: usize = 512;
/// What all sessions keep for their clients together, in bytes as `molt_common::resume::cost` counts. Past it sessions without a connection go, the oldest first, and
/// the others take more from the agent only while they hold less than [`FLOOR`].
const MOST_COST: u64 = 64 * 1024 * 1024;
/// What every session may hold whatever the others do, so that none stands still.
const FLOOR: u64 = 64 * 1024;
/// New connections that may wait for one session's attention.
const WAITING: usize = 4;

/// A client that came back.
pub struct Attach {
    /// Its connection.
    pub link: Link,
    /// What the edge said about the user's session of that.
    pub session: Session,
    /// Messages that it has.
    pub received: u64,
}

/// What a session's task gets from the table.
pub struct Seat {
    /// Its name.
    pub name: String,
    /// Clients that come back.
    pub attaches: mpsc::Receiver<Attach>,
    /// Told when it has to make room.
    pub evicted: oneshot::Receiver<()>,
    table: Arc<Table>,
    held: u64,
}

struct Entry {
    attach: mpsc::Sender<Attach>,
    evict: oneshot::Sender<()>,
    /// Order in which sessions lost their connection; `None` with one.
    alone_since: Option<u64>,
}

/// See the module.
#[derive(Default)]
pub struct Table {
    entries: Mutex<Entries>,
    cost: AtomicU64,
}

#[derive(Default)]
struct Entries {
    by_name: HashMap<String, Entry>,
    clock: u64,
}

impl Entries {
    /// Ends the session that has been without a connection for longest. Whether there was one.
    fn evict_oldest(&mut self) -> bool {
        let alone = self
            .by_name
            .iter()
            .filter_map(|(name, entry)| Some((entry.alone_since?, name)));
        let Some(name) = alone.min().map(|(_, name)| name.clone()) else {
            return false;
        };
        if let Some(entry) = self.by_name.remove(&name) {
            tracing::info!("a socket without a connection is given up, to make room");
            // It may have ended by itself just now.
            let _ = entry.evict.send(());
        }
        true
    }
}

impl Table {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Every change is one call on a collection: a panic in between leaves nothing half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new session; `None` when all are taken by sessions with a connection.
    pub fn seat(self: &Arc<Self>) -> Option<Seat> {
        let mut entries = self.entries();
        if entries.by_name.len() >= MOST_SESSIONS && !entries.evict_oldest() {
            return None;
        }
        let (attach, attaches) = mpsc::channel(WAITING);
        let (evict, evicted) = oneshot::channel();
        let name = uuid::Uuid::new_v4().simple().to_string();
        let entry = Entry {
            attach,
            evict,
            alone_since: None,
        };
        entries.by_name.insert(name.clone(), entry);
        Some(Seat {
            name,
            attaches,
            evicted,
            table: Arc::clone(self),
            held: 0,
        })
    }

    /// Hands a connection to its session. Gives it back when there is none.
    pub async fn attach(&self, name: &str, attach: Attach) -> Result<(), Attach> {
        let session = self.entries().by_name.get(name).map(|entry| entry.attach.clone());
        match session {
            Some(session) => session.send(attach).await.map_err(|refused| refused.0),
            None => Err(attach),
        }
    }
}

impl Seat {
    /// It has a connection, or none.
    pub fn set_alone(&self, alone: bool) {
        let mut entries = self.table.entries();
        entries.clock += 1;
        let clock = entries.clock;
        if let Some(entry) = entries.by_name.get_mut(&self.name) {
            entry.alone_since = alone.then_some(clock);
        }
    }

    /// What it holds now.
    pub fn set_held(&mut self, cost: u64) {
        if cost > self.held {
            self.table.cost.fetch_add(cost - self.held, Ordering::Relaxed);
        } else if cost < self.held {
            self.table.cost.fetch_sub(self.held - cost, Ordering::Relaxed);
        }
        self.held = cost;
    }

    /// Whether it may take more. Gives up sessions without a connection while there is too much.
    pub fn may_take(&self) -> bool {
        if self.held < FLOOR || self.table.cost.load(Ordering::Relaxed) < MOST_COST {
            return true;
        }
        self.table.entries().evict_oldest();
        false
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.set_held(0);
        self.table.entries().by_name.remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_that_is_alone_for_longest_makes_room() {
        let table = Arc::new(Table::default());
        let mut seats: Vec<Seat> = (0..MOST_SESSIONS).map(|_| table.seat().unwrap()).collect();
        assert!(table.seat().is_none(), "all have a connection");
        seats[7].set_alone(true);
        seats[3].set_alone(true);
        seats[7].set_alone(false);
        seats[7].set_alone(true);
        let late = table.seat().unwrap();
        assert!(seats[3].evicted.try_recv().is_ok() && seats[7].evicted.try_recv().is_err());
        drop(seats.remove(0));
        assert!(table.seat().is_some(), "one has gone by itself");
        drop((seats, late));
        assert!(table.entries().by_name.is_empty());
    }

    #[test]
    fn what_all_hold_together_is_bounded_and_none_stands_still() {
        let table = Arc::new(Table::default());
        let (mut much, mut little, mut alone) = (table.seat().unwrap(), table.seat().unwrap(), table.seat().unwrap());
        alone.set_alone(true);
        much.set_held(MOST_COST - 1);
        assert!(much.may_take() && alone.evicted.try_recv().is_err());
        little.set_held(FLOOR - 1);
        assert!(!much.may_take() && alone.evicted.try_recv().is_ok());
        assert!(little.may_take());
        little.set_held(FLOOR);
        assert!(!little.may_take());
        drop(much);
        assert!(little.may_take());
        drop((little, alone));
        assert_eq!(table.cost.load(Ordering::Relaxed), 0);
    }
}
