//! Processes of this machine, read from `/proc`: which belong to a stack, and whether any is left.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// A process, told apart from a later one of the same number by when it started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Clock ticks after the machine's start.
    pub started: u64,
    /// Command line, shortened.
    pub command: String,
}

impl Process {
    /// Reads one; `None` when it has ended, even if nobody has asked how.
    #[must_use]
    pub fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, so fields are counted from its end.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        if matches!(*fields.first()?, "Z" | "X") {
            return None;
        }
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command: String = String::from_utf8_lossy(&command)
            .replace('\0', " ")
            .chars()
            .take(1000)
            .collect();
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
            command,
        })
    }

    /// Whether it stands still, told to by a signal: one that is dying never does.
    #[must_use]
    pub fn is_stopped(pid: i32) -> bool {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    }

    /// Whether it is still there.
    #[must_use]
    pub fn lives(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now.started == self.started)
    }
}

/// Every process of the machine but this one.
#[must_use]
pub fn all() -> Vec<Process> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own).filter_map(Process::read).collect()
}

/// A process and everything below it.
#[must_use]
pub fn tree(root: i32) -> Vec<Process> {
    let everything = all();
    let mut members: HashSet<i32> = HashSet::from([root]);
    loop {
        let before = members.len();
        let children = everything
            .iter()
            .filter(|process| members.contains(&process.parent))
            .map(|process| process.pid);
        members.extend(children.collect::<Vec<_>>());
        if members.len() == before {
            break;
        }
    }
    everything
        .into_iter()
        .filter(|process| members.contains(&process.pid))
        .collect()
}

/// Processes that have `path` on their command line, in their environment or as working directory.
#[must_use]
pub fn naming(path: &Path) -> Vec<Process> {
    let text = path.to_string_lossy().into_owned();
    let names = |process: &Process| {
        let file = |name: &str| fs::read(format!("/proc/{}/{name}", process.pid)).unwrap_or_default();
        let within = fs::read_link(format!("/proc/{}/cwd", process.pid)).is_ok_and(|cwd| cwd.starts_with(path));
        within
            || [file("cmdline"), file("environ")]
                .iter()
                .any(|bytes| String::from_utf8_lossy(bytes).contains(&text))
    };
    all().into_iter().filter(names).collect()
}

/// One variable of a process's environment.
#[must_use]
pub fn variable(pid: i32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let environment = String::from_utf8_lossy(&environment);
    let value = environment
        .split('\0')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.to_owned())
}

/// Processes whose environment holds `name=value`: a mark that a command hands on to everything it starts, whatever parent, session or
/// state that has. What has ended is not among them, nor is what threw its environment away.
#[must_use]
pub fn marked(name: &str, value: &str) -> Vec<Process> {
    let mark = format!("{name}={value}").into_bytes();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let bears = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|pair| pair == mark)
    };
    pids.filter(bears).filter_map(Process::read).collect()
}
