//! Which processes descend from which, read from `/proc`.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process as `/proc/<pid>/stat` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// Process id of the parent.
    pub parent: i32,
    /// Session id.
    pub session: i32,
    /// Whether it has ended and waits to be reaped.
    pub zombie: bool,
}

/// Reads one `stat` line. The name in it may hold spaces and parentheses, so fields are counted from the last `)`.
pub fn parse_stat(line: &str) -> Option<Process> {
    let (head, tail) = line.rsplit_once(')')?;
    let pid = head.split_once(' ')?.0.parse().ok()?;
    let mut fields = tail.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        session,
        zombie: state == "Z" || state == "X",
    })
}

/// Every process that can be seen. One that ends while `/proc` is read is left out.
pub fn snapshot() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        })
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|line| parse_stat(&line))
        .collect()
}

/// Processes below `root`, parents before their children; `root` itself is not among them, nor anything below a process that `skip`
/// names.
pub fn descendants(root: i32, processes: &[Process], skip: &dyn Fn(&Process) -> bool) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<&Process>> = BTreeMap::new();
    for process in processes {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            if !skip(child) {
                found.push(*child);
                parents.push(child.pid);
            }
        }
    }
    found
}

/// Sends KILL to every living process of the list; one that is gone already is no fault.
pub fn kill_all(processes: &[Process]) {
    for process in processes.iter().filter(|process| !process.zombie) {
        let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32) -> Process {
        Process {
            pid,
            parent,
            session: 1,
            zombie: false,
        }
    }

    #[test]
    fn a_name_with_spaces_and_parentheses_is_read_past() {
        let line = "42 (a) S (b c) Z 7 8 9 0 -1 4194560 1 2";
        assert_eq!(
            parse_stat(line),
            Some(Process {
                pid: 42,
                parent: 7,
                session: 9,
                zombie: true
            })
        );
        assert_eq!(parse_stat("no stat line"), None);
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_strangers_are_not() {
        let processes = [
            process(2, 1),
            process(3, 2),
            process(4, 3),
            process(5, 1),
            process(6, 5),
            process(1, 0),
        ];
        let mut pids: Vec<i32> = descendants(2, &processes, &|_| false).iter().map(|p| p.pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [3, 4]);
        let rest: Vec<i32> = descendants(1, &processes, &|p| p.pid == 2)
            .iter()
            .map(|p| p.pid)
            .collect();
        assert_eq!(rest, [5, 6]);
    }

    #[test]
    fn this_process_is_in_the_snapshot() {
        let me = std::process::id() as i32;
        assert!(snapshot().iter().any(|process| process.pid == me && !process.zombie));
    }
}
