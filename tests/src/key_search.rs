//! Looks for texts everywhere in a user's sandbox, from outside, as root: environments, arguments and memory of its processes, its files.

use crate::people::User;
use crate::processes::{self, Process};
use crate::stack::Stack;
use memchr::memmem::Finder;
use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bytes that are looked at in one piece.
const PIECE: usize = 1 << 20;
/// What is no file, in any sandbox.
const NO_FILES: [&str; 3] = ["proc", "sys", "dev"];
/// What comes with the image and nobody in the sandbox can write.
const IMAGE: [&str; 7] = ["usr", "opt", "bin", "sbin", "lib", "lib32", "lib64"];

/// A running sandbox, seen from outside.
pub struct Inside {
    /// `sandboxd serve` in it.
    pub supervisor: Process,
    members: Vec<Process>,
}

/// Where something was found: `environ`, `cmdline` or `memory` of a process, or `file`, and which.
pub type Places = BTreeSet<(&'static str, String)>;

impl Inside {
    /// Of a user whose sandbox runs.
    ///
    /// # Panics
    /// When it does not.
    pub async fn of(stack: &Stack, user: &User) -> Self {
        let supervisor = stack.supervisor(user).await;
        let init = stack.engine.only(user).await;
        Self {
            members: processes::tree(init),
            supervisor,
        }
    }

    /// The agent's process.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn agent(&self) -> &Process {
        let is_agent = |process: &&Process| {
            process.command.contains("sandboxd echo-agent") || process.command.starts_with("openclaw-gateway")
        };
        self.members.iter().find(is_agent).expect("an agent")
    }

    /// Processes whose environment or arguments contain it, each with what it is.
    #[must_use]
    pub fn processes(&self, text: &str) -> Places {
        let finder = Finder::new(text.as_bytes());
        let mut found = Places::new();
        for process in &self.members {
            for place in ["environ", "cmdline"] {
                let bytes = fs::read(format!("/proc/{}/{place}", process.pid)).unwrap_or_default();
                if finder.find(&bytes).is_some() {
                    found.insert((place, name(process)));
                }
            }
        }
        found
    }

    /// Processes in whose memory it is. All that is mapped and can be written is looked at.
    #[must_use]
    pub fn memory(&self, text: &str) -> Places {
        let holds = |process: &&Process| memory_has(process.pid, text.as_bytes()).unwrap_or(false);
        let holders = self.members.iter().filter(holds);
        holders.map(|process| ("memory", name(process))).collect()
    }

    /// Files that contain it: below every root but what is no file, and without the image's own unless `image`.
    #[must_use]
    pub fn files(&self, text: &str, image: bool) -> Places {
        let root = PathBuf::from(format!("/proc/{}/root", self.supervisor.pid));
        let mut search = FileSearch {
            finder: Finder::new(text.as_bytes()),
            longest: text.len(),
            seen: HashSet::new(),
            found: Vec::new(),
            read: 0,
        };
        for entry in fs::read_dir(&root).expect("the root of the sandbox").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if NO_FILES.contains(&name.as_str()) || (!image && IMAGE.contains(&name.as_str())) {
                continue;
            }
            search.path(&entry.path());
        }
        assert!(search.read > 0, "nothing was looked at");
        let short = |path: &PathBuf| format!("/{}", path.strip_prefix(&root).unwrap_or(path).display());
        search.found.iter().map(|path| ("file", short(path))).collect()
    }
}

/// What a process is: the first two words of its command line, without folders.
fn name(process: &Process) -> String {
    let words = process.command.split_whitespace().take(2);
    let words: Vec<&str> = words.map(|word| word.rsplit('/').next().unwrap_or(word)).collect();
    words.join(" ")
}

fn memory_has(pid: i32, text: &[u8]) -> io::Result<bool> {
    let finder = Finder::new(text);
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut piece = vec![0; PIECE];
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else {
            continue;
        };
        let bounds = range.split_once('-').and_then(|(from, to)| {
            let number = |text| u64::from_str_radix(text, 16).ok();
            Some((number(from)?, number(to)?))
        });
        let Some((mut at, end)) = bounds.filter(|_| rights.starts_with("rw")) else {
            continue;
        };
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            // What cannot be read holds nothing that anybody put there.
            let Ok(length) = memory.read_at(&mut piece[..wanted], at) else {
                break;
            };
            if finder.find(&piece[..length]).is_some() {
                return Ok(true);
            }
            if length < wanted || length <= text.len() {
                break;
            }
            // A text on the border of two pieces is in one of them whole.
            at += (length - if at + length as u64 == end { 0 } else { text.len() }) as u64;
        }
    }
    Ok(false)
}

struct FileSearch<'a> {
    finder: Finder<'a>,
    longest: usize,
    seen: HashSet<(u64, u64)>,
    found: Vec<PathBuf>,
    read: u64,
}

impl FileSearch<'_> {
    fn path(&mut self, path: &Path) {
        let Ok(meta) = fs::symlink_metadata(path) else { return };
        if !self.seen.insert((meta.dev(), meta.ino())) {
            return;
        }
        if meta.is_dir() {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                self.path(&entry.path());
            }
        } else if meta.is_file() && self.has(path).unwrap_or(false) {
            self.found.push(path.to_owned());
        }
    }

    fn has(&mut self, path: &Path) -> io::Result<bool> {
        let mut file = File::open(path)?;
        let mut piece = Vec::with_capacity(PIECE + self.longest);
        loop {
            let read = file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
            self.read += read as u64;
            if self.finder.find(&piece).is_some() {
                return Ok(true);
            }
            if read == 0 {
                return Ok(false);
            }
            let kept = piece.len().saturating_sub(self.longest);
            piece.drain(..kept);
        }
    }
}
