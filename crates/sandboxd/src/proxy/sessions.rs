//! Which exchanges belong to which session of the owner, so that they end with it: at the end of its token, or when it is ended from outside.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use molt_common::close_code;
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
    /// What is kept of a WebSocket that may be resumed, with or without a connection just now.
    Kept,
}

/// Why a socket is to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its session has ended.
    Session(SessionEnd),
    /// Whatever the session: the agent or the sandbox goes away.
    Platform {
        /// Legal to send.
        code: u16,
        /// For people; cut to what fits before it is sent.
        reason: String,
    },
}

impl Ending {
    /// What the close frame says.
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Session(end) => end.close_code(),
            Self::Platform { code, .. } => *code,
        }
    }

    /// See [`Self::close_code`].
    pub fn reason(&self) -> &str {
        match self {
            Self::Session(end) => end.reason(),
            Self::Platform { reason, .. } => reason,
        }
    }
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
    end: oneshot::Sender<Ending>,
}

impl Sessions {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change is one call on a collection: a panic in between leaves nothing half done.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers an exchange, unless its session has ended: then why.
    pub fn admit(self: &Arc<Self>, session: Session, exchange: Exchange) -> Result<Admitted, SessionEnd> {
        let now = now_ms();
        let until = session.until.and_then(|until| {
            Some(match exchange {
                Exchange::Socket => until,
                // A renewed token goes on with it.
                Exchange::Kept => return None,
                Exchange::Http => until.saturating_add(LEEWAY_MS),
            })
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
            told: None,
            expiry: until.map(|until| Box::pin(tokio::time::sleep(Duration::from_millis(until - now)))),
        })
    }

    /// Ends what is under way of one session, or of all, and refuses more of it; answers how many sockets that are.
    pub fn end(&self, session: Option<&SessionRef>, reason: SessionEnd) -> u32 {
        let mut table = self.table();
        table.ended.end(session, reason, Millis(now_ms()));
        let matches = |entry: &Entry| {
            session.is_none_or(|session| entry.session.as_ref() == Some(session))
                && !(entry.exchange == Exchange::Kept && reason == SessionEnd::Expired)
        };
        table.tell(matches, &Ending::Session(reason))
    }

    /// Closes all sockets, also those that are kept without a connection, because the agent or the sandbox goes away; answers how many are open. Requests
    /// go on, and whoever connects next is taken as always.
    pub fn close_all(&self, code: u16, reason: &str) -> u32 {
        let ending = Ending::Platform {
            code: close_code::legal_or(code, close_code::SERVICE_RESTART),
            reason: reason.to_owned(),
        };
        self.table().tell(|entry| entry.exchange != Exchange::Http, &ending)
    }
}

impl Table {
    /// Takes out what matches and tells it why; answers how many open sockets that were.
    fn tell(&mut self, matches: impl Fn(&Entry) -> bool, ending: &Ending) -> u32 {
        let mut sockets = 0;
        for (_, entry) in self.open.extract_if(|_, entry| matches(entry)) {
            sockets += u32::from(entry.exchange == Exchange::Socket);
            // It may have ended by itself just now.
            let _ = entry.end.send(ending.clone());
        }
        sockets
    }
}

/// An exchange that is under way for as long as this lives.
pub struct Admitted {
    id: u64,
    sessions: Arc<Sessions>,
    /// Until it has told.
    ended: Option<oneshot::Receiver<Ending>>,
    /// What it told.
    told: Option<Ending>,
    expiry: Option<Pin<Box<Sleep>>>,
}

impl Admitted {
    /// Ready once its session has ended. That the platform goes away is no end of a session.
    pub fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<SessionEnd> {
        match self.poll_closing(context) {
            Poll::Ready(Ending::Session(reason)) => Poll::Ready(reason),
            Poll::Ready(Ending::Platform { .. }) | Poll::Pending => Poll::Pending,
        }
    }

    /// Ready once it is to be closed, and from then on.
    pub fn poll_closing(&mut self, context: &mut Context<'_>) -> Poll<Ending> {
        if let Some(ended) = &mut self.ended
            && let Poll::Ready(told) = Pin::new(ended).poll(context)
        {
            self.ended = None;
            self.told = told.ok();
        }
        if let Some(told) = &self.told {
            return Poll::Ready(told.clone());
        }
        match &mut self.expiry {
            Some(expiry) => expiry
                .as_mut()
                .poll(context)
                .map(|()| Ending::Session(SessionEnd::Expired)),
            None => Poll::Pending,
        }
    }

    /// Waits until its session has ended.
    pub async fn ended(&mut self) -> SessionEnd {
        std::future::poll_fn(|context| self.poll_ended(context)).await
    }

    /// Waits until it is to be closed.
    pub async fn closing(&mut self) -> Ending {
        std::future::poll_fn(|context| self.poll_closing(context)).await
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
