//! Whether the kernel has killed processes of this sandbox because memory ran out.

use std::fs;
use std::path::PathBuf;

use super::exit::Exit;

const KILLED: i32 = 9;
/// What a shell answers when its last command was ended by [`KILLED`].
const CHILD_KILLED: i32 = 128 + KILLED;

/// How many processes the kernel had killed at one moment, where it says so.
#[derive(Clone, Copy, Debug)]
pub struct MemoryKills(Option<u64>);

impl MemoryKills {
    /// The count as it is now.
    pub fn now() -> Self {
        Self(count())
    }

    /// The words for an end by KILL while the count has grown; nothing when the kernel does not say that memory ran out.
    pub fn since(self, exit: Exit) -> Option<String> {
        let killed = exit.signal == Some(KILLED) || exit.code == Some(CHILD_KILLED);
        let (before, after) = (self.0?, killed.then(count).flatten()?);
        words(exit, before, after)
    }
}

fn words(exit: Exit, before: u64, after: u64) -> Option<String> {
    let grown = after.checked_sub(before).filter(|grown| *grown > 0)?;
    Some(format!(
        "memory ran out: ended by {exit}, and the kernel has killed {grown} of the sandbox's processes for want of memory meanwhile"
    ))
}

/// The kernel's counter for the group of this process: `memory.events` of the second version of control groups, `memory.oom_control` of the
/// first. A container may see its group at the root of the file system or under the path that `/proc` names.
fn count() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    candidates(&groups)
        .into_iter()
        .find_map(|path| parse(&fs::read_to_string(path).ok()?))
}

fn candidates(groups: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (base, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.events")
        } else if controllers.split(',').any(|name| name == "memory") {
            ("/sys/fs/cgroup/memory", "memory.oom_control")
        } else {
            continue;
        };
        // Of a path outside the container's own root nothing is to be had here.
        let own = path.trim_start_matches('/');
        if !own.is_empty() && !own.split('/').any(|part| part == "..") {
            found.push(PathBuf::from(base).join(own).join(file));
        }
        found.push(PathBuf::from(base).join(file));
    }
    found
}

fn parse(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|count| count.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_the_counter_are_found() {
        assert_eq!(parse("low 0\noom 3\noom_kill 2\noom_group_kill 0\n"), Some(2));
        assert_eq!(parse("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"), Some(5));
        assert_eq!(parse("oom_kill_disable 0\n"), None);
        let paths = |groups| {
            let found = candidates(groups).into_iter();
            found
                .map(|path| path.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(paths("0::/\n"), ["/sys/fs/cgroup/memory.events"]);
        assert_eq!(
            paths("5:cpu:/x\n4:rdma,memory:/a/b\n0::/../..\n"),
            [
                "/sys/fs/cgroup/memory/a/b/memory.oom_control",
                "/sys/fs/cgroup/memory/memory.oom_control",
                "/sys/fs/cgroup/memory.events"
            ]
        );
    }

    #[test]
    fn memory_is_blamed_only_when_the_kernel_has_counted() {
        let killed = Exit {
            code: None,
            signal: Some(9),
        };
        assert_eq!(words(killed, 3, 3), None);
        assert_eq!(words(killed, 3, 2), None);
        assert!(words(killed, 3, 4).is_some_and(|text| text.contains("memory ran out") && text.contains("SIGKILL")));
        let ended = Exit {
            code: Some(1),
            signal: None,
        };
        assert_eq!(MemoryKills(Some(0)).since(ended), None);
    }
}
