//! Output of the programs: all of it into a file, the lines that matter also to the terminal, credentials in neither.
//!
//! What our own programs write is clean already; wrangler says of every call what its path was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeReader, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use molt_common::redaction;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use crate::terminal::Terminal;

/// A log is set aside as `.1` at this size, in bytes, so that a stack may run for weeks.
const LOG_LIMIT: u64 = 16 * 1024 * 1024;
/// Bytes of a line that are kept.
const LINE_LIMIT: usize = 64 * 1024;
/// Characters of a line that the terminal shows.
const SHOWN: usize = 4096;

/// A log file of bounded size.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
}

impl LogFile {
    /// Opens the file for appending, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            size,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size > LOG_LIMIT {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *self = Self::open(&self.path)?;
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }
}

/// Copies everything from the pipe into the log until its end, and shows what matters.
pub async fn pump(pipe: PipeReader, mut log: LogFile, name: String, terminal: Terminal) {
    let mut receiver = match Receiver::from_owned_fd(OwnedFd::from(pipe)) {
        Ok(receiver) => receiver,
        Err(error) => return terminal.warn(&format!("the output of {name} cannot be read: {error}")),
    };
    let mut lines = Lines::default();
    let mut buffer = vec![0; 16 * 1024];
    let mut log_works = true;
    let mut write = |line: &str| {
        let line = redaction::text(line);
        // A full disk must not stop the program, so its output is read on.
        if let Err(error) = log.write(format!("{line}\n").as_bytes())
            && std::mem::take(&mut log_works)
        {
            terminal.warn(&format!("the log of {name} cannot be written: {error}"));
        }
        if matters(&line) {
            terminal.program(&name, line.get(..line.floor_char_boundary(SHOWN)).unwrap_or(&line));
        }
    };
    while let Ok(count) = receiver.read(&mut buffer).await {
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        lines.feed(bytes, &mut write);
    }
    lines.finish(&mut write);
}

/// The last lines of a log, at most 30 of its last 8 KiB; `None` when there are none.
pub fn tail(path: &Path) -> Option<String> {
    const BYTES: u64 = 8 * 1024;
    const LINES: usize = 30;
    let mut file = File::open(path).ok()?;
    let start = file.metadata().ok()?.len().saturating_sub(BYTES);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let lines = lines.get(lines.len().saturating_sub(LINES)..)?;
    (!lines.is_empty()).then(|| lines.iter().map(|line| format!("    {line}\n")).collect())
}

/// Whether a line of a program's output belongs on the terminal: its errors, in the forms that wrangler, Node and our own programs use.
pub fn matters(line: &str) -> bool {
    const SIGNS: [&str; 7] = [
        "[ERROR]",
        "wrangler:error]",
        " ERROR ",
        "\"level\":\"ERROR\"",
        "\"level\":\"error\"",
        "panicked at",
        "dev-stack:",
    ];
    SIGNS.iter().any(|sign| line.contains(sign))
}

/// Splits a stream into lines and cuts those that are too long.
#[derive(Debug, Default)]
struct Lines {
    unfinished: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(&str)) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = LINE_LIMIT.saturating_sub(self.unfinished.len());
            self.unfinished.extend(piece.iter().take(room));
            if pieces.peek().is_some() {
                each(without_colours(&String::from_utf8_lossy(&self.unfinished)).trim_end());
                self.unfinished.clear();
            }
        }
    }

    /// What stood after the last line end.
    fn finish(&mut self, each: &mut dyn FnMut(&str)) {
        if !self.unfinished.is_empty() {
            each(without_colours(&String::from_utf8_lossy(&self.unfinished)).trim_end());
            self.unfinished.clear();
        }
    }
}

/// Takes out terminal sequences of the form `ESC [ … letter`: wrangler colours its errors whatever it is told.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let parameters = part
            .find(|c: char| !c.is_ascii_digit() && c != ';')
            .unwrap_or(part.len());
        plain.push_str(part.get(parameters + 1..).unwrap_or_default());
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_the_bytes_arrive() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for bytes in ["one\ntw", "o\n\nthr", "ee"] {
            lines.feed(bytes.as_bytes(), &mut |line| seen.push(line.to_owned()));
        }
        assert_eq!(seen, ["one", "two", ""]);
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory() {
        let mut lines = Lines::default();
        let mut lengths = Vec::new();
        for _ in 0..100 {
            lines.feed(&[b'x'; 1000], &mut |line| lengths.push(line.len()));
        }
        lines.feed(b"\nnext\n", &mut |line| lengths.push(line.len()));
        assert_eq!(lengths, [LINE_LIMIT, 4]);
    }

    #[tokio::test]
    async fn credentials_reach_neither_the_log_nor_the_terminal_and_the_last_words_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let (reader, mut writer) = std::io::pipe().unwrap();
        let text = concat!("[wrangler:info] GET /a/sk-", "ant-api03-abcdefgh/ 200 OK\nBearer abcd");
        writer.write_all(text.as_bytes()).unwrap();
        writer.write_all(b"efgh12").unwrap();
        drop(writer);
        pump(reader, LogFile::open(&path).unwrap(), "a".into(), Terminal::new()).await;
        let kept = fs::read_to_string(&path).unwrap();
        assert_eq!(kept, "[wrangler:info] GET /a/[redacted]/ 200 OK\nBearer [redacted]\n");
    }

    #[test]
    fn colours_are_taken_out_before_a_line_is_judged() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let coloured = "\u{1b}[31m\u{2718} \u{1b}[41;31m[\u{1b}[41;97mERROR\u{1b}[41;31m]\u{1b}[0m no [x] é\u{1b}[1\n";
        lines.feed(coloured.as_bytes(), &mut |line| seen.push(line.to_owned()));
        assert_eq!(seen, ["\u{2718} [ERROR] no [x] é"]);
        assert!(matters(&seen[0]));
    }

    #[test]
    fn errors_are_shown_and_chatter_is_not() {
        assert!(matters("\u{2718} [ERROR] Could not resolve \"./x\""));
        assert!(matters("2026-11-21T02:00:00Z ERROR local_engine: no"));
        assert!(!matters("[wrangler:info] GET /health 200 OK (4ms)"));
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        assert_eq!(tail(&path), None);
        fs::write(&path, (0..100).map(|n| format!("line {n}\n")).collect::<String>()).unwrap();
        let tail = tail(&path).unwrap();
        assert_eq!(tail.lines().count(), 30);
        assert!(tail.ends_with("    line 99\n"));
    }

    #[test]
    fn a_log_that_has_grown_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.log");
        let mut log = LogFile::open(&path).unwrap();
        log.write(b"old\n").unwrap();
        log.size = LOG_LIMIT + 1;
        log.write(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::read_to_string(folder.path().join("engine.log.1")).unwrap(), "old\n");
    }
}
