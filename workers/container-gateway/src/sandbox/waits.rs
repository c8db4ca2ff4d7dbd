//! Who waits in this object for what another of its events does: plain numbers in memory. Nothing here outlives the object, and nobody who waits
//! outlives it either.

use molt_common::boot::{Place, Places};
use molt_common::time::Millis;
use molt_platform::look;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Requests and sockets that wait here at most. One more is refused at once: what waits takes memory, and whoever sends so many does not wait for
/// each of them.
const MOST_HELD: usize = 256;
/// Streams of progress at most: a person's open boot pages.
const MOST_STREAMS: usize = 8;
/// Who waits looks this often at least, milliseconds; ...
const LOOK_MS: u64 = 25;
/// ... less often when many wait, by a millisecond for so many.
const LOOK_SHARE: usize = 4;

struct Numbers {
    version: Cell<u64>,
    held: RefCell<Places>,
    streams: RefCell<Places>,
    not_ready_at: Cell<Option<Millis>>,
}

/// The object's numbers; a copy is the same.
#[derive(Clone)]
pub struct Waits(Rc<Numbers>);

/// A place among those who wait, until this is dropped.
pub struct Waiting {
    of: Waits,
    place: Place,
    kind: Kind,
}

/// For what somebody waits.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A request or socket, for the agent.
    Held,
    /// A stream of progress.
    Stream,
}

impl Default for Waits {
    fn default() -> Self {
        Self(Rc::new(Numbers {
            version: Cell::new(0),
            held: RefCell::new(Places::new(MOST_HELD)),
            streams: RefCell::new(Places::new(MOST_STREAMS)),
            not_ready_at: Cell::new(None),
        }))
    }
}

impl Waits {
    fn places(&self, kind: Kind) -> &RefCell<Places> {
        match kind {
            Kind::Held => &self.0.held,
            Kind::Stream => &self.0.streams,
        }
    }

    /// Takes a place until then at the latest; how many are taken when none is left.
    pub fn take(&self, kind: Kind, now: Millis, until: Millis) -> Result<Waiting, usize> {
        let mut places = self.places(kind).borrow_mut();
        match places.take(now, until) {
            Some(place) => Ok(Waiting {
                of: self.clone(),
                place,
                kind,
            }),
            None => Err(places.taken()),
        }
    }

    /// Something changed that others may wait for.
    pub fn changed(&self) {
        self.0.version.set(self.0.version.get().wrapping_add(1));
    }

    /// Another number after each change. Read it before what it is about.
    pub fn version(&self) -> u64 {
        self.0.version.get()
    }

    /// Waits for a change after the one that was seen, at most until then. Whether there was one.
    pub async fn change(&self, seen: u64, until: Millis) -> bool {
        let many = u64::try_from(self.0.held.borrow().taken() / LOOK_SHARE).unwrap_or(LOOK_MS);
        look::moved(|| self.version(), seen, until, LOOK_MS.saturating_add(many)).await
    }

    /// The agent of a sandbox that is said to run did not admit a request.
    pub fn note_not_ready(&self, at: Millis) {
        self.0.not_ready_at.set(Some(at));
    }

    /// When that was last so.
    pub fn not_ready_at(&self) -> Option<Millis> {
        self.0.not_ready_at.get()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.of.places(self.kind).borrow_mut().free(&self.place);
    }
}
