//! One socket of the agent, and the clients that come and go on it.

mod exchange;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use molt_common::close_code::GOING_AWAY;
use molt_common::control::SessionEnd;
use molt_common::resume::{ACK_AFTER_MS, CLOSE_GONE, CLOSE_TAKEN_OVER, FromServer, KEEP_MS, Welcome};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::tungstenite::protocol::Message;

use super::fragments::Fragments;
use super::inbox::Inbox;
use super::link::{Link, Socket, close_agent};
use super::outbox::Outbox;
use super::table::{Attach, Seat};
use crate::agent::AgentState;
use crate::proxy::heartbeat::{self, Beat};
use crate::proxy::lost::Closing;
use crate::proxy::sessions::{Admitted, Ending, Exchange, Session as UserSession, Sessions};

/// Until it is looked again whether other sessions hold less.
const CROWDED: Duration = Duration::from_millis(50);

/// What a session starts with.
pub struct Beginning {
    /// Its place.
    pub seat: Seat,
    /// The agent's socket.
    pub agent: Socket,
    /// The subprotocol that the agent chose.
    pub protocol: String,
    /// How the agent is.
    pub state: watch::Receiver<AgentState>,
    /// Where it is told that the user's session ended.
    pub sessions: Arc<Sessions>,
}

/// See the module.
pub struct Session {
    seat: Seat,
    agent: Option<Socket>,
    agent_unflushed: bool,
    for_agent: Fragments,
    protocol: String,
    state: watch::Receiver<AgentState>,
    sessions: Arc<Sessions>,
    user: UserSession,
    kept: Admitted,
    outbox: Outbox<Message>,
    inbox: Inbox,
    link: Option<Link>,
    /// Since when there is no link.
    alone_since: Option<Instant>,
    /// While it is found out why the agent's end is gone.
    losing: Option<Pin<Box<dyn Future<Output = Closing> + Send>>>,
    /// How it ends, once that is known, and since when.
    ending: Option<(Closing, Instant)>,
    /// Whether the present link was told of the end.
    told: bool,
    unacknowledged_since: Option<Instant>,
    crowded: bool,
    pinged: bool,
    alarm: Pin<Box<Sleep>>,
}

/// It is over.
struct Over;

impl Session {
    /// Runs the session of its first client, until it ends.
    pub async fn run(begun: Beginning, first: Attach) {
        let kept = match begun.sessions.admit(first.session.clone(), Exchange::Kept) {
            Ok(kept) => kept,
            Err(end) => {
                close_agent(begun.agent, end.close_code(), end.reason());
                return first.link.close(end.close_code(), end.reason());
            }
        };
        let mut session = Self {
            seat: begun.seat,
            agent: Some(begun.agent),
            agent_unflushed: false,
            for_agent: Fragments::default(),
            protocol: begun.protocol,
            state: begun.state,
            sessions: begun.sessions,
            user: first.session.clone(),
            kept,
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            link: None,
            alone_since: None,
            losing: None,
            ending: None,
            told: false,
            unacknowledged_since: None,
            crowded: false,
            pinged: false,
            alarm: Box::pin(sleep_until(Instant::now())),
        };
        session.attach(first, false);
        std::future::poll_fn(|context| session.poll(context)).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let progress = match self.step(context) {
                Ok(progress) => progress,
                Err(Over) => return Poll::Ready(()),
            };
            let due = self.due();
            if self.alarm.deadline() != due {
                self.alarm.as_mut().reset(due);
            }
            if self.alarm.as_mut().poll(context).is_pending() && !progress {
                return Poll::Pending;
            }
        }
    }

    /// Does what can be done now. Whether there may be more.
    fn step(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
        self.hear_of_ends(context)?;
        let mut progress = false;
        while let Poll::Ready(Some(attach)) = self.seat.attaches.poll_recv(context) {
            self.attach(attach, true);
            progress = true;
        }
        progress |= self.read_client(context)?;
        progress |= self.write_agent(context)?;
        progress |= self.read_agent(context);
        self.keep_time()?;
        progress |= self.write_client(context)?;
        Ok(progress)
    }

    /// Sign-out and suspension end it at once; a token that ran out ends the connection.
    fn hear_of_ends(&mut self, context: &mut Context<'_>) -> Result<(), Over> {
        match self.kept.poll_closing(context) {
            Poll::Ready(Ending::Session(end)) => return Err(self.finish(end.close_code(), end.reason())),
            Poll::Ready(Ending::Platform { code, reason }) if self.ending.is_none() => {
                if let Some(agent) = self.agent.take() {
                    close_agent(agent, code, &reason);
                }
                self.end(Closing::new(code, reason));
            }
            _ => {}
        }
        if Pin::new(&mut self.seat.evicted).poll(context).is_ready() {
            return Err(self.finish(CLOSE_GONE, "Too many sockets wait for their clients."));
        }
        if let Some(link) = &mut self.link
            && let Poll::Ready(Ending::Session(end)) = link.admitted.poll_closing(context)
        {
            if end != SessionEnd::Expired {
                return Err(self.finish(end.close_code(), end.reason()));
            }
            self.detach(end.close_code(), end.reason());
        }
        Ok(())
    }

    fn attach(&mut self, attach: Attach, resumed: bool) {
        let Attach {
            mut link,
            session,
            received,
        } = attach;
        if self.outbox.acknowledge(received).is_err() {
            link.say(&FromServer::Gone {
                reason: "This socket cannot go on from there.".to_owned(),
                plain: false,
            });
            return link.close(CLOSE_GONE, "This socket cannot go on from there.");
        }
        if session.name != self.user.name {
            // A renewed token may be one of another session, and that is the one that can end from now on.
            match self.sessions.admit(session.clone(), Exchange::Kept) {
                Ok(kept) => (self.kept, self.user) = (kept, session),
                Err(end) => return link.close(end.close_code(), end.reason()),
            }
        }
        if self.link.is_some() {
            self.detach(CLOSE_TAKEN_OVER, "Another connection has taken over.");
        }
        self.inbox.forget();
        self.outbox.rewind();
        self.seat.set_held(self.outbox.cost());
        link.say(&FromServer::Welcome(Welcome {
            session: self.seat.name.clone(),
            resumed,
            received: self.inbox.acknowledge(),
            protocol: self.protocol.clone(),
        }));
        self.link = Some(link);
        self.seat.set_alone(false);
        (self.alone_since, self.unacknowledged_since) = (None, None);
        (self.told, self.pinged) = (false, false);
    }

    /// The connection is gone, or is to go with these words; the session stays. What has come over it is still handed on to the agent: a page that was
    /// left does not say it again.
    fn detach(&mut self, code: u16, reason: &str) {
        if let Some(link) = self.link.take() {
            link.close(code, reason);
        }
        self.seat.set_alone(true);
        self.alone_since = Some(Instant::now());
    }

    /// Everything is over with these words, at once.
    fn finish(&mut self, code: u16, reason: &str) -> Over {
        if let Some(link) = self.link.take() {
            link.close(code, reason);
        }
        if let Some(agent) = self.agent.take() {
            close_agent(agent, code, reason);
        }
        Over
    }

    /// It is over with these words once the client has everything that the agent said before.
    fn end(&mut self, closing: Closing) {
        if self.ending.is_none() {
            self.ending = Some((closing, Instant::now()));
        }
    }

    /// What time alone brings about.
    fn keep_time(&mut self) -> Result<(), Over> {
        let keep = Duration::from_millis(KEEP_MS);
        let over = |since: Option<Instant>| since.is_some_and(|since| since.elapsed() >= keep);
        if over(self.alone_since) || over(self.ending.as_ref().map(|(_, since)| *since)) {
            return Err(self.finish(GOING_AWAY, "The client did not come back."));
        }
        if let Some(link) = &mut self.link
            && !self.told
        {
            match heartbeat::beat(link.silence(), self.pinged) {
                Beat::Wait(_) => {}
                Beat::Ping => {
                    link.frame(Message::Ping(heartbeat::PAYLOAD.into()));
                    self.pinged = true;
                }
                Beat::Gone => self.detach(GOING_AWAY, "Nothing was heard of the client."),
            }
        }
        Ok(())
    }

    /// When to look again although nothing happens.
    fn due(&self) -> Instant {
        let keep = Duration::from_millis(KEEP_MS);
        let now = Instant::now();
        let mut due = now + keep;
        let mut by = |at: Option<Instant>| due = due.min(at.unwrap_or(due));
        by(self.alone_since.map(|since| since + keep));
        by(self.ending.as_ref().map(|(_, since)| *since + keep));
        by(self.crowded.then(|| now + CROWDED));
        if let Some(link) = self.link.as_ref().filter(|_| !self.told) {
            by(self
                .unacknowledged_since
                .map(|since| since + Duration::from_millis(ACK_AFTER_MS)));
            by(match heartbeat::beat(link.silence(), self.pinged) {
                Beat::Wait(left) => Some(now + left),
                Beat::Ping | Beat::Gone => Some(now),
            });
        }
        due
    }
}
