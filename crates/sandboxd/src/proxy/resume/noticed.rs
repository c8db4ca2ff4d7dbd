//! A connection that knows when its other side was last seen to be there. Messages are no measure: a long one may take minutes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub struct Noticed<S> {
    inner: S,
    at: Instant,
    /// Whether it took no more when it was written to last. That it does again is a sign of life.
    full: bool,
}

impl<S> Noticed<S> {
    /// Seen just now.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            at: Instant::now(),
            full: false,
        }
    }

    /// When it was seen last.
    pub const fn at(&self) -> Instant {
        self.at
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noticed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if read.is_ready() {
            self.at = Instant::now();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noticed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        if written.is_ready() && self.full {
            self.at = Instant::now();
        }
        self.full = written.is_pending();
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
