//! One socket of the agent, and the clients that come and go on it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, Stream};
use molt_common::close_code::{GOING_AWAY, NORMAL, PROTOCOL_ERROR, TOO_BIG};
use molt_common::control::SessionEnd;
use molt_common::resume::{ACK_AFTER_MS, CLOSE_GONE, CLOSE_TAKEN_OVER, FromClient, FromServer, KEEP_MS, Welcome};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

use super::envelope::{self, Opened};
use super::fragments::Fragments;
use super::inbox::{Due, ForAgent, Inbox};
use super::link::{Link, Socket, close_agent, close_frame};
use super::outbox::Outbox;
use super::table::{Attach, Seat};
use crate::agent::AgentState;
use crate::proxy::heartbeat::{self, Beat};
use crate::proxy::lost::{self, Closing};
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

    /// The connection is gone, or is to go with these words; the session stays.
    fn detach(&mut self, code: u16, reason: &str) {
        if let Some(link) = self.link.take() {
            link.close(code, reason);
        }
        self.inbox.forget();
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

    fn read_client(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
        let mut progress = false;
        while let Some(link) = &mut self.link
            && self.inbox.has_room()
            && let Poll::Ready(read) = link.poll_read(context)
        {
            (progress, self.pinged) = (true, false);
            match read {
                Ok(message) => self.take(message)?,
                Err(Error::ConnectionClosed) if self.told => return Err(self.finish(NORMAL, "")),
                Err(Error::Capacity(_)) => {
                    // It would come again with every connection.
                    let reason = "A message is longer than 32 MiB.";
                    let word = said(&Closing::new(TOO_BIG, reason.to_owned()));
                    link.say(&word);
                    return Err(self.finish(TOO_BIG, reason));
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection of a socket that goes on has ended");
                    self.detach(GOING_AWAY, "");
                }
            }
        }
        Ok(progress)
    }

    fn take(&mut self, message: Message) -> Result<(), Over> {
        let closes = matches!(message, Message::Close(_));
        match envelope::open(message) {
            Ok(Opened::Data(data)) => {
                if let Some(link) = &self.link {
                    link.saw_data();
                }
                self.inbox.push(ForAgent::Data(data));
            }
            Ok(Opened::Control(FromClient::Ack { received })) if self.outbox.acknowledge(received).is_ok() => {
                self.seat.set_held(self.outbox.cost());
            }
            Ok(Opened::Control(FromClient::Close { code, reason })) => {
                self.inbox.push(ForAgent::Close(Some(close_frame(code, &reason))));
            }
            Ok(Opened::Control(FromClient::Ack { .. } | FromClient::Hello { .. })) | Err(envelope::NoEnvelope) => {
                self.detach(PROTOCOL_ERROR, "This is not what may stand here.");
            }
            Ok(Opened::Frame) if closes && self.told => return Err(self.finish(NORMAL, "")),
            Ok(Opened::Frame) if closes => self.detach(NORMAL, ""),
            Ok(Opened::Frame) => {}
        }
        Ok(())
    }

    fn write_agent(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
        let mut progress = false;
        loop {
            match self.poll_agent(context)? {
                Poll::Pending => return Ok(progress),
                Poll::Ready(Ok(())) => progress = true,
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "the agent takes no more");
                    // Its last words may still be there to be read.
                    self.read_agent(context);
                    if self.agent.is_some() {
                        self.lose();
                    }
                    return Ok(true);
                }
            }
        }
    }

    /// Writes one frame to the agent, or what lies in the buffer. Pending when nothing is left or it takes no more.
    fn poll_agent(&mut self, context: &mut Context<'_>) -> Result<Poll<Result<(), Error>>, Over> {
        let takes = self.agent.as_mut().map(|agent| Pin::new(agent).poll_ready(context));
        if matches!(takes, Some(Poll::Pending | Poll::Ready(Err(_)))) {
            return Ok(takes.unwrap_or(Poll::Pending));
        }
        // Without an agent nobody takes it any more; that the page has closed is the end all the same.
        let next = self.next_for_agent()?;
        let Some(agent) = &mut self.agent else {
            return Ok(next.map_or(Poll::Pending, |_| Poll::Ready(Ok(()))));
        };
        let agent = Pin::new(agent);
        if let Some(frame) = next {
            self.agent_unflushed = true;
            return Ok(Poll::Ready(agent.start_send(frame)));
        }
        if !self.agent_unflushed {
            return Ok(Poll::Pending);
        }
        let flushed = agent.poll_flush(context);
        self.agent_unflushed = flushed.is_pending();
        Ok(flushed)
    }

    fn next_for_agent(&mut self) -> Result<Option<Message>, Over> {
        if let Some(fragment) = self.for_agent.next() {
            return Ok(Some(fragment));
        }
        match self.inbox.pop() {
            None => Ok(None),
            Some(ForAgent::Data(message)) => Ok(Some(self.for_agent.begin(message))),
            Some(ForAgent::Close(frame)) => {
                let (code, reason) = words(frame);
                Err(self.finish(code, &reason))
            }
        }
    }

    fn read_agent(&mut self, context: &mut Context<'_>) -> bool {
        let mut progress = false;
        self.crowded = false;
        while let Some(agent) = &mut self.agent
            && self.outbox.has_room()
        {
            if !self.seat.may_take() {
                self.crowded = true;
                break;
            }
            let Poll::Ready(read) = Pin::new(agent).poll_next(context) else {
                break;
            };
            progress = true;
            match read {
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = words(frame);
                    if let Some(agent) = self.agent.take() {
                        close_agent(agent, code, &reason);
                    }
                    self.end(Closing::new(code, reason));
                }
                Some(Ok(message)) => {
                    if let Some((enclosed, bytes)) = envelope::enclose(&message) {
                        self.outbox.push(enclosed, bytes);
                        self.seat.set_held(self.outbox.cost());
                    }
                }
                Some(Err(Error::Capacity(_))) => {
                    let closing = Closing::new(TOO_BIG, "The agent sent a message longer than 32 MiB.".to_owned());
                    if let Some(agent) = self.agent.take() {
                        close_agent(agent, closing.code, &closing.reason);
                    }
                    self.end(closing);
                }
                Some(Err(_)) | None => self.lose(),
            }
        }
        if let Some(losing) = &mut self.losing
            && let Poll::Ready(closing) = losing.as_mut().poll(context)
        {
            (self.losing, progress) = (None, true);
            self.end(closing);
        }
        progress
    }

    /// The agent's end is gone without a word.
    fn lose(&mut self) {
        self.agent = None;
        if self.losing.is_none() && self.ending.is_none() {
            self.losing = Some(Box::pin(lost::why(self.state.clone())));
        }
    }

    fn write_client(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
        let due = self.inbox.acknowledgement();
        let waited = match due {
            Due::Not => {
                self.unacknowledged_since = None;
                false
            }
            Due::Soon => {
                let since = *self.unacknowledged_since.get_or_insert_with(Instant::now);
                since.elapsed() >= Duration::from_millis(ACK_AFTER_MS)
            }
            Due::Now => true,
        };
        let mut told_now = false;
        while let Some(link) = &mut self.link {
            if waited && !self.told && self.inbox.acknowledgement() != Due::Not {
                self.unacknowledged_since = None;
                link.say(&FromServer::Ack {
                    received: self.inbox.acknowledge(),
                });
            }
            match link.poll_write(context, || self.outbox.next()) {
                Poll::Ready(Err(Error::ConnectionClosed)) if self.told => return Err(self.finish(NORMAL, "")),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "a connection of a socket that goes on has ended");
                    self.detach(GOING_AWAY, "");
                    return Ok(true);
                }
                Poll::Pending => break,
                Poll::Ready(Ok(())) => {}
            }
            match &self.ending {
                Some((closing, _)) if self.outbox.is_sent() && !self.told => {
                    link.say(&said(closing));
                    link.frame(Message::Close(Some(close_frame(closing.code, &closing.reason))));
                    (self.told, told_now) = (true, true);
                }
                _ => break,
            }
        }
        Ok(told_now)
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

fn said(closing: &Closing) -> FromServer {
    let frame = close_frame(closing.code, &closing.reason);
    FromServer::Close {
        code: frame.code.into(),
        reason: frame.reason.to_string(),
        retry_after_ms: closing.retry_after_ms(),
    }
}

/// Code and reason of a close frame; one without a code says that all is well.
fn words(frame: Option<CloseFrame>) -> (u16, String) {
    frame.map_or_else(
        || (NORMAL, String::new()),
        |frame| {
            let frame = close_frame(frame.code.into(), &frame.reason);
            (frame.code.into(), frame.reason.to_string())
        },
    )
}
