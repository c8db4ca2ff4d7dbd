//! One direction of a WebSocket: bytes pass as they are, but for close frames that may not be sent, and it can be stopped between two frames.

use std::io;
use std::ops::Range;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::control_frame::{self, Start, Towards, Verdict};
use super::frames::FrameScanner;

/// Bytes that are taken up at a time. No control frame is longer.
const BUFFER: usize = 8 * 1024;

/// Reads from one side and writes to the other. Each method may be dropped at any await: nothing is lost, the next call goes on from there.
pub struct OneWay<R, W> {
    from: R,
    to: W,
    towards: Towards,
    /// Stands where the bytes stand that were written.
    scanner: FrameScanner,
    buffer: Box<[u8]>,
    /// What was read and not yet written, within `buffer`.
    held: Range<usize>,
    /// How much of that, at its end, came with the newest read.
    news: usize,
    /// A frame of ours that goes before that, and how much of it has been written.
    own: Vec<u8>,
    own_written: usize,
}

/// What a step has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was read.
    Read,
    /// Something was written. Whether data of a message was in it.
    Wrote(bool),
    /// The sender has ended, or its connection is broken.
    Ended,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> OneWay<R, W> {
    /// A direction at its start.
    pub fn new(from: R, to: W, towards: Towards) -> Self {
        Self {
            from,
            to,
            towards,
            scanner: FrameScanner::default(),
            buffer: vec![0; BUFFER].into(),
            held: 0..0,
            news: 0,
            own: Vec::new(),
            own_written: 0,
        }
    }

    /// One read or one write, whichever is due. An error is the receiver's.
    pub async fn step(&mut self) -> io::Result<Step> {
        if self.own_written < self.own.len() {
            self.write_own().await?;
            return Ok(Step::Wrote(false));
        }
        // What is held has no whole control frame at its beginning after this, unless that may pass.
        match self.passable() {
            0 => Ok(if self.fill().await { Step::Read } else { Step::Ended }),
            passable => self.write(passable).await.map(Step::Wrote),
        }
    }

    /// Carries what is left of the frame that has begun. Whether it is whole now: the sender may have ended within it.
    pub async fn finish_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.own_written < self.own.len() {
                self.write_own().await?;
            } else if self.scanner.at_boundary() {
                return Ok(true);
            } else if self.held.is_empty() {
                if !self.fill().await {
                    return Ok(false);
                }
            } else {
                let rest = self.scanner.to_boundary(self.held());
                self.write(rest).await?;
            }
        }
    }

    /// Whether a frame may be put in after what was written so far.
    pub fn takes_a_frame(&self) -> bool {
        self.own_written == self.own.len() && self.scanner.at_boundary() && !self.scanner.closed()
    }

    /// Whether the sender's close frame has passed.
    pub const fn closed(&self) -> bool {
        self.scanner.closed()
    }

    /// Has a frame of ours sent with the next steps. Only where it is taken, see [`Self::takes_a_frame`].
    pub fn put_in(&mut self, frame: Vec<u8>) {
        (self.own, self.own_written) = (frame, 0);
    }

    /// Sends all of what was put in.
    pub async fn flush(&mut self) -> io::Result<()> {
        while self.own_written < self.own.len() {
            self.write_own().await?;
        }
        self.to.flush().await
    }

    /// Reads on without writing, until the sender has sent a close frame or ended.
    pub async fn drain(&mut self) {
        // A frame of ours that could not be sent never will be: nothing more is read while one waits.
        (self.own, self.own_written) = (Vec::new(), 0);
        loop {
            let held = self.buffer.get(self.held.clone()).unwrap_or_default();
            self.scanner.sees_data(held);
            self.held = 0..0;
            if self.scanner.closed() || !self.fill().await {
                return;
            }
        }
    }

    /// Ends the receiver.
    pub async fn shut(&mut self) -> io::Result<()> {
        self.to.shutdown().await
    }

    /// What the newest read has brought: all of it after a step that has read.
    pub fn news(&self) -> &[u8] {
        let held = self.held();
        held.get(held.len().saturating_sub(self.news)..).unwrap_or_default()
    }

    fn held(&self) -> &[u8] {
        self.buffer.get(self.held.clone()).unwrap_or_default()
    }

    /// How much of what is held may be written now. A control frame at the beginning is judged when it is whole, and replaced if it must be.
    fn passable(&mut self) -> usize {
        if !self.scanner.at_boundary() {
            return self.scanner.until_control(self.held());
        }
        match control_frame::start(self.held()) {
            Start::Unknown => 0,
            Start::Other => self.scanner.until_control(self.held()),
            Start::Control(length) => match self.held().get(..length) {
                None => 0,
                Some(frame) => match control_frame::judge(frame, self.towards) {
                    Verdict::Pass => length,
                    Verdict::Instead(bytes) => {
                        self.put_in(bytes);
                        let frame = self.buffer.get(self.held.start..self.held.start + length);
                        self.scanner.sees_data(frame.unwrap_or_default());
                        self.held.start += length;
                        // Nothing of it was replaced by nothing: then there may be more to pass.
                        if self.own.is_empty() { self.passable() } else { 0 }
                    }
                },
            },
        }
    }

    /// Reads something more. Whether there is: not at the sender's end, and not when its connection is broken.
    async fn fill(&mut self) -> bool {
        self.news = 0;
        if self.own_written < self.own.len() {
            return true;
        }
        if self.held.start > 0 {
            self.buffer.copy_within(self.held.clone(), 0);
            self.held = 0..self.held.len();
        }
        let room = self.buffer.get_mut(self.held.end..).unwrap_or_default();
        let read = self.from.read(room).await.unwrap_or(0);
        self.held.end += read;
        self.news = read;
        read > 0
    }

    async fn write_own(&mut self) -> io::Result<()> {
        let rest = self.own.get(self.own_written..).unwrap_or_default();
        let written = self.to.write(rest).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.own_written += written;
        Ok(())
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
