//! Finding and ending everything that descends from a process.

use std::collections::HashMap;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What `/proc/<pid>/stat` tells about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub pid: i32,
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// Ended and not yet reaped.
    pub zombie: bool,
    /// Stopped, or where no signal reaches it before it is.
    pub still: bool,
}

impl Member {
    /// The process `pid`, while it is there.
    pub fn of(pid: i32) -> Option<Self> {
        parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }
}

/// Reads the fields of `/proc/<pid>/stat`. The name in parentheses may itself contain spaces and parentheses, so the fields are counted
/// from its last one.
fn parse_stat(pid: i32, stat: &str) -> Option<Member> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    Some(Member {
        pid,
        parent,
        group,
        session,
        zombie: matches!(state, "Z" | "X"),
        still: matches!(state, "T" | "t" | "D"),
    })
}

/// Every process below `root`, zombies included.
fn below(root: i32, all: &[Member]) -> Vec<Member> {
    let mut children: HashMap<i32, Vec<Member>> = HashMap::new();
    for member in all {
        children.entry(member.parent).or_default().push(*member);
    }
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for member in children.remove(&parent).unwrap_or_default() {
            parents.push(member.pid);
            found.push(member);
        }
    }
    found
}

/// Everything that descends from this process and has not ended.
pub fn living_descendants() -> Vec<Member> {
    living_below(Pid::this().as_raw())
}

/// Everything that descends from the process `root` and has not ended.
pub fn living_below(root: i32) -> Vec<Member> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let all: Vec<Member> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(Member::of)
        .collect();
    let mut members = below(root, &all);
    members.retain(|member| !member.zombie);
    members
}

/// Ids of the processes that the first thread of `parent` has as children, zombies included; nothing where the kernel does not list them.
/// A glance at one file, where [`living_descendants`] looks at every process of the machine.
pub fn children(parent: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    list.split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Sends `signal` to every living descendant for which `chosen` holds; returns how many there were. Ids cannot be reused in between:
/// what descends from us stays at least a zombie until its parent, in the end us, reaps it.
pub fn signal_descendants(signal: Signal, chosen: impl Fn(&Member) -> bool) -> usize {
    let members: Vec<Member> = living_descendants()
        .into_iter()
        .filter(|member| chosen(member))
        .collect();
    for member in &members {
        // It may have ended since; then there is nothing to do.
        let _ = kill(Pid::from_raw(member.pid), signal);
    }
    members.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 7 42 41 0 -1 4194560 1 2 3";
        assert_eq!(
            parse_stat(42, stat),
            Some(Member {
                pid: 42,
                parent: 7,
                group: 42,
                session: 41,
                zombie: false,
                still: false,
            })
        );
        assert!(parse_stat(1, "1 (x) Z 0 1 1 0").is_some_and(|member| member.zombie));
        assert!(parse_stat(1, "1 (x) T 0 1 1 0").is_some_and(|member| member.still));
        for broken in ["", "1 (x", "1 (x)", "1 (x) S", "1 (x) S a b c", "1 (x) S 1 2"] {
            assert_eq!(parse_stat(1, broken), None, "{broken:?}");
        }
    }

    #[test]
    fn descendants_are_found_at_every_depth_and_nothing_else() {
        let member = |pid, parent| Member {
            pid,
            parent,
            group: 1,
            session: 1,
            zombie: false,
            still: false,
        };
        let all = [
            member(2, 1),
            member(3, 2),
            member(4, 3),
            member(5, 1),
            member(6, 5),
            member(1, 0),
        ];
        let mut found: Vec<i32> = below(2, &all).iter().map(|member| member.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [3, 4]);
        assert!(below(9, &all).is_empty());
    }

    #[test]
    fn a_circle_ends() {
        let member = |pid, parent| Member {
            pid,
            parent,
            group: 1,
            session: 1,
            zombie: false,
            still: false,
        };
        assert_eq!(below(1, &[member(1, 2), member(2, 1)]).len(), 2);
    }
}
