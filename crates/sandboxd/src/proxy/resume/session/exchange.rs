//! What goes in and out of a session: both sockets are read and written as far as they go.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, Stream};
use molt_common::close_code::{GOING_AWAY, NORMAL, PROTOCOL_ERROR, TOO_BIG};
use molt_common::resume::{ACK_AFTER_MS, FromClient, FromServer};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

use super::super::envelope::{self, Opened};
use super::super::inbox::{Due, ForAgent};
use super::super::link::{close_agent, close_frame};
use super::{Over, Session};
use crate::proxy::lost::{self, Closing};

impl Session {
    pub(super) fn read_client(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
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
                    link.saw_data(&data);
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

    pub(super) fn write_agent(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
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

    pub(super) fn read_agent(&mut self, context: &mut Context<'_>) -> bool {
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

    pub(super) fn write_client(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
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
