//! The agent's output, line by line: a short ring for the status, and a file of limited size.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use molt_common::redaction;

/// Lines in the ring.
const RING_LINES: usize = 50;
/// Bytes of a line; the rest of a longer one is left out.
const LINE_BYTES: usize = 2048;
/// Bytes of the file before it becomes `<name>.1` and a new one begins.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Cuts a stream into lines. One per stream, so that the two never mix within a line.
#[derive(Debug, Default)]
pub struct LineCutter {
    line: Vec<u8>,
    cut: bool,
}

impl LineCutter {
    /// The lines that `bytes` complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                lines.extend(self.finish());
            } else if self.line.len() < LINE_BYTES {
                self.line.push(*byte);
            } else {
                self.cut = true;
            }
        }
        lines
    }

    /// What stands after the last line end, if anything.
    pub fn finish(&mut self) -> Option<String> {
        let bytes = std::mem::take(&mut self.line);
        let mut text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if std::mem::take(&mut self.cut) {
            text.push('…');
        }
        (!text.is_empty()).then_some(text)
    }
}

/// Where the lines go, redacted.
#[derive(Debug)]
pub struct LineLog {
    ring: VecDeque<String>,
    path: PathBuf,
    file: Option<File>,
    written: u64,
}

impl LineLog {
    /// Appends to the file at `path`.
    pub fn open(path: PathBuf) -> Self {
        let mut log = Self {
            ring: VecDeque::with_capacity(RING_LINES),
            path,
            file: None,
            written: 0,
        };
        log.reopen();
        log
    }

    /// Takes one line. The agent's output is shown to people who operate the fleet, not only to its owner, so a key that the agent
    /// happens to print must not travel with it.
    pub fn push(&mut self, line: &str) {
        let line = redaction::text(line).into_owned();
        if self.written >= FILE_BYTES {
            self.file = None;
            let mut older = self.path.clone().into_os_string();
            older.push(".1");
            if let Err(error) = fs::rename(&self.path, older) {
                tracing::warn!(%error, "cannot rotate the agent's log");
            }
            self.reopen();
        }
        if let Some(file) = &mut self.file
            && writeln!(file, "{line}").is_ok()
        {
            self.written += line.len() as u64 + 1;
        }
        if self.ring.len() == RING_LINES {
            self.ring.pop_front();
        }
        self.ring.push_back(line);
    }

    /// The last lines, oldest first.
    pub fn tail(&self) -> Vec<String> {
        self.ring.iter().cloned().collect()
    }

    /// A disk that takes no log is no reason to stop the agent; the ring goes on.
    fn reopen(&mut self) {
        let open = || -> io::Result<(File, u64)> {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&self.path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        match open() {
            Ok((file, length)) => (self.file, self.written) = (Some(file), length),
            Err(error) => {
                tracing::warn!(%error, "cannot write the agent's log");
                (self.file, self.written) = (None, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_line_ends_wherever_the_pieces_end() {
        let mut cutter = LineCutter::default();
        assert_eq!(cutter.push(b"on"), Vec::<String>::new());
        assert_eq!(cutter.push(b"e\r\n\ntwo\nthr"), ["one", "two"]);
        assert_eq!(cutter.finish().as_deref(), Some("thr"));
        assert_eq!(cutter.finish(), None);
    }

    #[test]
    fn an_endless_line_is_bounded() {
        let mut cutter = LineCutter::default();
        for _ in 0..100 {
            assert!(cutter.push(&[b'x'; 1000]).is_empty());
        }
        let lines = cutter.push(b"\nnext\n");
        assert_eq!(lines[0].chars().count(), LINE_BYTES + 1);
        assert_eq!(lines[1], "next");
    }

    #[test]
    fn the_ring_and_the_file_are_bounded_and_redacted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.log");
        let mut log = LineLog::open(path.clone());
        log.push("token=hunter2222");
        let line = "word ".repeat(400);
        for _ in 0..(FILE_BYTES as usize * 2 / line.len()) {
            log.push(&line);
        }
        log.push("last");
        assert_eq!(log.tail().len(), RING_LINES);
        assert_eq!(log.tail().last().unwrap(), "last");
        let older = fs::read_to_string(folder.path().join("agent.log.1")).unwrap();
        assert!(older.len() as u64 <= FILE_BYTES + 4096);
        assert!(fs::metadata(&path).unwrap().len() <= FILE_BYTES + 4096);
        assert!(!older.contains("hunter2222"));
    }
}
