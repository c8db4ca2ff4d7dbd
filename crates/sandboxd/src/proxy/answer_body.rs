//! The body of an answer of the agent, which breaks off when the session ends: a stream may last for hours.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::activity::OpenExchange;
use super::sessions::Admitted;
use crate::http_server::BodyError;

/// See there.
pub struct AnswerBody {
    inner: Incoming,
    session: Admitted,
    /// Held until the last byte is on its way.
    _open: OpenExchange,
}

impl AnswerBody {
    /// The body `inner` of the exchange `open` of `session`.
    pub const fn new(inner: Incoming, session: Admitted, open: OpenExchange) -> Self {
        Self {
            inner,
            session,
            _open: open,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.session.poll_ended(context).is_ready() {
            // An error and not an end: what is cut must not pass for whole.
            return Poll::Ready(Some(Err("the session has ended".into())));
        }
        Pin::new(&mut self.inner).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
