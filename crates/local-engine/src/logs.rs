//! What containers write, kept in files of bounded size.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes after which a file is put aside and a new one begun. One is kept aside, so a container has at most twice as much.
const LIMIT: u64 = 4 << 20;
/// Files that are kept of containers that are gone.
const KEPT: usize = 100;

/// The output of one container, both streams in the order of arrival.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    limit: u64,
    open: Mutex<Option<(File, u64)>>,
}

impl LogFile {
    /// The log of the container `name` in `directory`.
    pub fn new(directory: &Path, name: &str) -> Self {
        Self {
            path: directory.join(format!("{name}.log")),
            limit: LIMIT,
            open: Mutex::default(),
        }
    }

    /// Forgets what an earlier container of this name wrote.
    pub fn reset(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open = None;
        for path in [&self.path, &self.aside()] {
            drop(std::fs::remove_file(path));
        }
    }

    /// Adds bytes.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|(_, size)| *size >= self.limit) {
            std::fs::rename(&self.path, self.aside())?;
            *open = None;
        }
        let (file, size) = match &mut *open {
            Some(open) => open,
            None => {
                let file = File::options().append(true).create(true).open(&self.path)?;
                let size = file.metadata()?.len();
                open.insert((file, size))
            }
        };
        file.write_all(bytes)?;
        *size += bytes.len() as u64;
        Ok(())
    }

    /// The last `lines` lines, or everything that is kept.
    pub fn read(&self, lines: Option<usize>) -> Vec<u8> {
        let mut all = Vec::new();
        for path in [self.aside(), self.path.clone()] {
            if let Ok(mut file) = File::open(path) {
                drop(file.read_to_end(&mut all));
            }
        }
        match lines {
            None => all,
            Some(lines) => last_lines(&all, lines).to_vec(),
        }
    }

    /// The end of the log as text, for a message.
    pub fn tail(&self, bytes: u64) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.path)?;
            let start = file.metadata()?.len().saturating_sub(bytes);
            file.seek(SeekFrom::Start(start))?;
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            Ok(String::from_utf8_lossy(&text).trim().to_owned())
        };
        read().unwrap_or_default()
    }

    /// Adds everything that `stream` gives until it ends.
    pub async fn drain(&self, mut stream: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 8 * 1024];
        while let Ok(length) = stream.read(&mut buffer).await {
            let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
                return;
            };
            if let Err(error) = self.write(bytes) {
                tracing::warn!(path = %self.path.display(), %error, "output of a container is lost");
            }
        }
    }

    fn aside(&self) -> PathBuf {
        self.path.with_extension("log.1")
    }
}

fn last_lines(text: &[u8], lines: usize) -> &[u8] {
    if lines == 0 {
        return &[];
    }
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let start = body
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n')
        .nth(lines - 1);
    start.map_or(text, |(at, _)| text.get(at + 1..).unwrap_or_default())
}

/// Removes the oldest files in `directory` beyond what is kept.
pub fn prune(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    let mut files: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    files.sort();
    let surplus = files.len().saturating_sub(KEPT);
    for (_, path) in files.into_iter().take(surplus) {
        drop(std::fs::remove_file(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_never_stops_talking_fills_no_disk_and_its_last_words_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let log = LogFile {
            limit: 1_000,
            ..LogFile::new(directory.path(), "chatty")
        };
        for number in 0..10_000 {
            log.write(format!("line {number}\n").as_bytes()).unwrap();
        }
        let size: u64 = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|e| e.unwrap().metadata().unwrap().len())
            .sum();
        assert!(size < 2_100, "{size}");
        assert_eq!(log.read(Some(2)), b"line 9998\nline 9999\n");
        assert!(log.tail(12).ends_with("line 9999"));
    }

    #[test]
    fn lines_are_counted_with_and_without_a_final_newline() {
        assert_eq!(last_lines(b"a\nb\nc\n", 2), b"b\nc\n");
        assert_eq!(last_lines(b"a\nb\nc", 2), b"b\nc");
        assert_eq!(last_lines(b"a\nb", 9), b"a\nb");
        assert_eq!(last_lines(b"a\nb", 0), b"");
        assert_eq!(last_lines(b"", 3), b"");
    }

    #[test]
    fn a_new_container_of_the_same_name_starts_an_empty_log() {
        let directory = tempfile::tempdir().unwrap();
        let log = LogFile::new(directory.path(), "a");
        log.write(b"old").unwrap();
        log.reset();
        log.write(b"new").unwrap();
        assert_eq!(log.read(None), b"new");
    }

    #[test]
    fn old_files_go_first() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..KEPT + 3 {
            let path = directory.path().join(format!("{number}.log"));
            let file = File::create(path).unwrap();
            let age = std::time::Duration::from_secs(number as u64);
            file.set_modified(std::time::SystemTime::UNIX_EPOCH + age).unwrap();
        }
        prune(directory.path());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), KEPT);
        assert!(!directory.path().join("2.log").exists() && directory.path().join("3.log").exists());
    }
}
