//! Bytes that a reading of the home has still to read.

use crate::findings::Findings;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of a file that was met. They are counted as they are read; those that nobody reads, since the file is unchanged or cannot be read, when this is
/// dropped.
#[derive(Debug)]
pub struct Unread {
    left: u64,
    findings: Arc<Findings>,
}

impl Unread {
    /// All of a file.
    pub const fn new(size: u64, findings: Arc<Findings>) -> Self {
        Self { left: size, findings }
    }

    /// How many.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// So many were read.
    pub fn read(&mut self, count: u64) {
        let count = count.min(self.left);
        self.left -= count;
        self.findings.bytes.fetch_add(count, Ordering::Relaxed);
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.read(self.left);
    }
}
