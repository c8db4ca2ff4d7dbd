//! Which exchanges belong to which session of the owner, so that they end with it: at the end of its token, or when it is ended from outside.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use molt_common::control::SessionEnd;
use molt_common::ended_sessions::EndedSessions;
use molt_common::time::Millis;
use molt_common::trust::SessionRef;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::clock::now_ms;

/// Routers accept a token for this long after its end, because clocks differ. Requests may be under way for as long; sockets may not.
const LEEWAY_MS: u64 = 60_000;

/// What the edge says about the session of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Its name; an edge of an older release states none.
    pub name: Option<SessionRef>,
    /// Epoch milliseconds at which its token ends.
    pub until: Option<u64>,
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// A request and its answer.
    Http,
    /// A WebSocket.
    Socket,
}

/// The exchanges that are under way.
#[derive(Default)]
pub struct Sessions {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next_id: u64,
    open: HashMap<u64, Entry>,
    ended: EndedSessions,
}

struct Entry {
    session: Option<SessionRef>,
    exchange: Exchange,
    end: oneshot::Sender<SessionEnd>,
}

impl Sessions {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change is one call on a collection: a panic in between leaves nothing half done.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers an exchange, unless its session has ended: then why.
    pub fn admit(self: &Arc<Self>, session: Session, exchange: Exchange) -> Result<Admitted, SessionEnd> {
        let now = now_ms();
        let until = session.until.map(|until| match exchange {
            Exchange::Socket => until,
            Exchange::Http => until.saturating_add(LEEWAY_MS),
        });
        if until.is_some_and(|until| until <= now) {
            return Err(SessionEnd::Expired);
        }
        let mut table = self.table();
        if let Some(reason) = table.ended.refuses(session.name.as_ref(), Millis(now)) {
            return Err(reason);
        }
        let (end, ended) = oneshot::channel();
        let id = table.next_id;
        table.next_id += 1;
        table.open.insert(
            id,
            Entry {
                session: session.name,
                exchange,
                end,
            },
        );
        drop(table);
        Ok(Admitted {
            id,
            sessions: Arc::clone(self),
            ended: Some(ended),
            expiry: until.map(|until| Box::pin(tokio::time::sleep(Duration::from_millis(until - now)))),
        })
    }

    /// Ends what is under way of one session, or of all, and refuses more of it; answers how many sockets that are.
    pub fn end(&self, session: Option<&SessionRef>, reason: SessionEnd) -> u32 {
        let mut table = self.table();
        table.ended.end(session, reason, Millis(now_ms()));
        let of_session = |entry: &Entry| session.is_none_or(|session| entry.session.as_ref() == Some(session));
        let matching = table.open.extract_if(|_, entry| of_session(entry));
        let mut sockets = 0;
        for (_, entry) in matching {
            sockets += u32::from(entry.exchange == Exchange::Socket);
            // It may have ended by itself just now.
            let _ = entry.end.send(reason);
        }
        sockets
    }
}

/// An exchange that is under way for as long as this lives.
pub struct Admitted {
    id: u64,
    sessions: Arc<Sessions>,
    /// Until it has told.
    ended: Option<oneshot::Receiver<SessionEnd>>,
    expiry: Option<Pin<Box<Sleep>>>,
}

impl Admitted {
    /// Ready once its session has ended.
    pub fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<SessionEnd> {
        if let Some(ended) = &mut self.ended
            && let Poll::Ready(told) = Pin::new(ended).poll(context)
        {
            self.ended = None;
            if let Ok(reason) = told {
                return Poll::Ready(reason);
            }
        }
        match &mut self.expiry {
            Some(expiry) => expiry.as_mut().poll(context).map(|()| SessionEnd::Expired),
            None => Poll::Pending,
        }
    }

    /// Waits until its session has ended.
    pub async fn ended(&mut self) -> SessionEnd {
        std::future::poll_fn(|context| self.poll_ended(context)).await
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.sessions.table().open.remove(&self.id);
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
