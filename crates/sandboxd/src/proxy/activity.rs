//! What the proxy has seen of the user, for the one who decides when a sandbox may sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::clock::now_ms;

/// Counters without a lock; each is independent of the others.
#[derive(Debug, Default)]
pub struct Activity {
    open_sockets: AtomicU32,
    open_exchanges: AtomicU32,
    listening: AtomicU32,
    last_request_at: AtomicU64,
    last_client_frame_at: AtomicU64,
    last_person_at: AtomicU64,
    last_told: AtomicU64,
}

impl Activity {
    /// An accepted request has arrived.
    pub fn request_seen(&self) {
        self.last_request_at.fetch_max(now_ms(), Ordering::Relaxed);
    }

    /// A client has sent data on a socket.
    pub fn client_frame_seen(&self) {
        self.last_client_frame_at.fetch_max(now_ms(), Ordering::Relaxed);
    }

    /// A person has done something, see [`super::user_activity`].
    pub fn person_seen(&self) {
        self.last_person_at.fetch_max(now_ms(), Ordering::Relaxed);
    }

    /// The latest of these times, and never one before what was told already.
    pub fn told_active(&self, times: &[Option<u64>]) -> Option<u64> {
        let latest = times.iter().flatten().max().copied().unwrap_or_default();
        self.last_told.fetch_max(latest, Ordering::Relaxed);
        seen(&self.last_told)
    }

    /// A socket is open for as long as the returned value lives.
    pub fn socket_opened(self: &Arc<Self>) -> OpenSocket {
        self.open_sockets.fetch_add(1, Ordering::Relaxed);
        OpenSocket(Arc::clone(self))
    }

    /// A request is being answered for as long as the returned value lives.
    pub fn exchange_opened(self: &Arc<Self>) -> OpenExchange {
        self.open_exchanges.fetch_add(1, Ordering::Relaxed);
        OpenExchange {
            activity: Arc::clone(self),
            listens: false,
        }
    }

    /// Requests that are being answered now.
    pub fn open_exchanges(&self) -> u32 {
        self.open_exchanges.load(Ordering::Relaxed)
    }

    /// Requests that are being answered now, without those that only wait for events.
    pub fn busy_exchanges(&self) -> u32 {
        self.open_exchanges()
            .saturating_sub(self.listening.load(Ordering::Relaxed))
    }

    /// Sockets that are open now.
    pub fn open_sockets(&self) -> u32 {
        self.open_sockets.load(Ordering::Relaxed)
    }

    /// Epoch milliseconds of the last request.
    pub fn last_request_at(&self) -> Option<u64> {
        seen(&self.last_request_at)
    }

    /// Epoch milliseconds of the last data on a socket.
    pub fn last_client_frame_at(&self) -> Option<u64> {
        seen(&self.last_client_frame_at)
    }

    /// Epoch milliseconds of the last thing that a person did.
    pub fn last_person_at(&self) -> Option<u64> {
        seen(&self.last_person_at)
    }
}

fn seen(at: &AtomicU64) -> Option<u64> {
    Some(at.load(Ordering::Relaxed)).filter(|at| *at > 0)
}

/// Counts one open socket while it lives, however it ends.
#[derive(Debug)]
pub struct OpenSocket(Arc<Activity>);

impl OpenSocket {
    /// Where it is counted.
    pub fn activity(&self) -> &Activity {
        &self.0
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.open_sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts one request while it is being answered, however that ends.
#[derive(Debug)]
pub struct OpenExchange {
    activity: Arc<Activity>,
    listens: bool,
}

impl OpenExchange {
    /// The same, of a request that only waits for events: it may stay open for as long as a page, and nothing is under way in it.
    pub fn listening(mut self) -> Self {
        if !std::mem::replace(&mut self.listens, true) {
            self.activity.listening.fetch_add(1, Ordering::Relaxed);
        }
        self
    }
}

impl Drop for OpenExchange {
    fn drop(&mut self) {
        self.activity.open_exchanges.fetch_sub(1, Ordering::Relaxed);
        if self.listens {
            self.activity.listening.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_counted_while_it_lives() {
        let activity = Arc::new(Activity::default());
        let first = activity.socket_opened();
        let second = activity.socket_opened();
        assert_eq!(activity.open_sockets(), 2);
        drop(first);
        drop(second);
        assert_eq!(activity.open_sockets(), 0);
        let exchange = activity.exchange_opened();
        assert_eq!((activity.open_exchanges(), activity.open_sockets()), (1, 0));
        assert_eq!(activity.busy_exchanges(), 1);
        let listening = activity.exchange_opened().listening();
        assert_eq!((activity.open_exchanges(), activity.busy_exchanges()), (2, 1));
        drop(exchange);
        assert_eq!((activity.open_exchanges(), activity.busy_exchanges()), (1, 0));
        drop(listening);
        assert_eq!((activity.open_exchanges(), activity.busy_exchanges()), (0, 0));
        assert_eq!(activity.last_request_at(), None);
        activity.request_seen();
        assert!(activity.last_request_at().is_some());
        assert_eq!(activity.last_person_at(), None, "not every request is a person's");
        activity.person_seen();
        assert!(activity.last_person_at().is_some());
        assert_eq!(activity.told_active(&[None, None]), None);
        assert_eq!(activity.told_active(&[Some(5), None, Some(7)]), Some(7));
        assert_eq!(activity.told_active(&[Some(6)]), Some(7), "it never goes back");
    }
}
