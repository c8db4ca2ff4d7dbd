//! A body in another content coding than the one it comes in. Nothing is held back: whenever the agent pauses, all that it has said leaves.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::OwnedSemaphorePermit;

use super::coding::Coder;
use crate::http_server::{Body as WholeBody, BodyError};

/// Output that is worth a piece of its own, bytes.
const PIECE: usize = 16 * 1024;
/// Input that is undone at a time: a few bytes may stand for a hundred thousand.
const SLICE: usize = 64;
/// Pieces of input after which somebody else is let on the thread.
const ROUNDS: u32 = 64;

/// See there.
pub struct CodedBody {
    inner: WholeBody,
    /// Gone with the end.
    coder: Option<Coder>,
    undoes: bool,
    /// Input that waits until the output so far has left.
    input: Bytes,
    unflushed: bool,
    _permit: OwnedSemaphorePermit,
}

impl CodedBody {
    /// The body `inner`, in the coding that `coder` makes.
    pub fn making(inner: WholeBody, coder: Coder, permit: OwnedSemaphorePermit) -> Self {
        Self::new(inner, coder, false, permit)
    }

    /// The body `inner`, without the coding that `coder` undoes.
    pub fn undoing(inner: WholeBody, coder: Coder, permit: OwnedSemaphorePermit) -> Self {
        Self::new(inner, coder, true, permit)
    }

    const fn new(inner: WholeBody, coder: Coder, undoes: bool, permit: OwnedSemaphorePermit) -> Self {
        Self {
            inner,
            coder: Some(coder),
            undoes,
            input: Bytes::new(),
            unflushed: false,
            _permit: permit,
        }
    }

    /// Moves input through the coder until there is a piece of output. `None`: more input is needed.
    fn piece(&mut self) -> std::io::Result<Option<Bytes>> {
        let Some(coder) = &mut self.coder else { return Ok(None) };
        let most = if self.undoes { SLICE } else { self.input.len() };
        while !self.input.is_empty() {
            let slice = self.input.split_to(most.min(self.input.len()));
            coder.push(&slice)?;
            self.unflushed = true;
            if coder.waiting() >= PIECE {
                return Ok(Some(coder.take().into()));
            }
        }
        Ok(None)
    }

    /// Whatever the coder still holds of what it was given.
    fn flushed(&mut self) -> std::io::Result<Option<Bytes>> {
        match &mut self.coder {
            Some(coder) if self.unflushed => {
                self.unflushed = false;
                coder.flush()?;
                let rest = coder.take();
                Ok((!rest.is_empty()).then(|| rest.into()))
            }
            _ => Ok(None),
        }
    }
}

fn data(piece: Bytes) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    Poll::Ready(Some(Ok(Frame::data(piece))))
}

impl Body for CodedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        for _ in 0..ROUNDS {
            if let Some(piece) = self.piece()? {
                return data(piece);
            }
            if self.coder.is_none() {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.inner).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers go no further than here in any case.
                    if let Ok(input) = frame.into_data() {
                        self.input = input;
                    }
                }
                // Without the coding's own end: what is cut must not pass for whole.
                Poll::Ready(Some(Err(error))) => {
                    self.coder = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    if let Some(coder) = self.coder.take() {
                        let rest = coder.finish()?;
                        return if rest.is_empty() {
                            Poll::Ready(None)
                        } else {
                            data(rest.into())
                        };
                    }
                }
                Poll::Pending => {
                    return match self.flushed()? {
                        Some(piece) => data(piece),
                        None => Poll::Pending,
                    };
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
