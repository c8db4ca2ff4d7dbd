//! One direction of a WebSocket: bytes pass as they are, and it can be stopped between two frames.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::frames::FrameScanner;

/// Bytes that are taken up at a time.
const BUFFER: usize = 8 * 1024;

/// Reads from one side and writes to the other. Each method may be dropped at any await: nothing is lost, the next call goes on from there.
pub struct OneWay<R, W> {
    from: R,
    to: W,
    /// Stands where the bytes stand that were written.
    scanner: FrameScanner,
    buffer: Box<[u8]>,
    /// What was read and not yet written, within `buffer`.
    held: std::ops::Range<usize>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> OneWay<R, W> {
    /// A direction at its start.
    pub fn new(from: R, to: W) -> Self {
        Self {
            from,
            to,
            scanner: FrameScanner::default(),
            buffer: vec![0; BUFFER].into(),
            held: 0..0,
        }
    }

    /// Carries to the end of the sender, and passes that on. `saw` is told of all bytes that have gone through, and whether data of a message was
    /// among them.
    pub async fn carry(&mut self, mut saw: impl FnMut(&[u8], bool)) -> io::Result<()> {
        while self.fill().await? {
            let start = self.held.start;
            let data = self.write(self.held.len()).await?;
            saw(self.buffer.get(start..self.held.start).unwrap_or_default(), data);
        }
        self.to.shutdown().await
    }

    /// Carries what is left of the frame that has begun. Whether it is whole now: the sender may have ended within it.
    pub async fn finish_frame(&mut self) -> io::Result<bool> {
        while !self.scanner.at_boundary() {
            if !self.fill().await? {
                return Ok(false);
            }
            let held = self.buffer.get(self.held.clone()).unwrap_or_default();
            let rest = self.scanner.to_boundary(held);
            self.write(rest).await?;
        }
        Ok(true)
    }

    /// Whether a frame may be put in after what was written so far.
    pub const fn takes_a_frame(&self) -> bool {
        self.scanner.at_boundary() && !self.scanner.closed()
    }

    /// Writes a frame of ours. Only where it is taken, see [`Self::takes_a_frame`].
    pub async fn put_in(&mut self, frame: &[u8]) -> io::Result<()> {
        self.to.write_all(frame).await?;
        self.to.flush().await
    }

    /// Reads on without writing, until the sender has sent a close frame or ended.
    pub async fn drain(&mut self) -> io::Result<()> {
        while !self.scanner.closed() && self.fill().await? {
            let held = self.buffer.get(self.held.clone()).unwrap_or_default();
            self.scanner.sees_data(held);
            self.held = 0..0;
        }
        Ok(())
    }

    /// Ends the receiver.
    pub async fn shut(&mut self) -> io::Result<()> {
        self.to.shutdown().await
    }

    /// Reads something unless something is held. Whether there is something now: false at the sender's end.
    async fn fill(&mut self) -> io::Result<bool> {
        if self.held.is_empty() {
            let read = self.from.read(&mut self.buffer).await?;
            self.held = 0..read;
        }
        Ok(!self.held.is_empty())
    }

    /// Writes of what is held at most `most` bytes. Whether there was data among what was written.
    async fn write(&mut self, most: usize) -> io::Result<bool> {
        let end = self.held.end.min(self.held.start.saturating_add(most));
        let bytes = self.buffer.get(self.held.start..end).unwrap_or_default();
        let written = self.to.write(bytes).await?;
        if written == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        // No await from here to the end: what was written and what is noted never differ.
        let data = self.scanner.sees_data(bytes.get(..written).unwrap_or_default());
        self.held.start += written;
        Ok(data)
    }
}

#[cfg(test)]
#[path = "one_way_tests.rs"]
mod tests;
