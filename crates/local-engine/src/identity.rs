//! Which ids of the host the inside of a sandbox is mapped to, and who may write that mapping.

use std::io;
use std::path::Path;

use nix::unistd::{User, getegid, geteuid};
use tokio::process::Command;

use crate::uid_range::{RANGE_SIZE, UidRange, UidRanges};

/// How ids are mapped on this machine.
#[derive(Debug)]
pub enum Identity {
    /// The engine is the host's root: every sandbox gets a range of its own.
    Ranges(UidRanges),
    /// An ordinary user with subordinate ids: inside, 0 is this user and the rest are its subordinate ids.
    Subordinate {
        /// First subordinate user id, and how many there are.
        users: (u32, u32),
        /// First subordinate group id, and how many there are.
        groups: (u32, u32),
    },
    /// An ordinary user without them: inside there is id 0 alone.
    Single,
}

/// The ids of one sandbox.
#[derive(Debug)]
pub enum Ids {
    /// A range of its own.
    Own(UidRange),
    /// Those that all sandboxes of this engine have.
    Shared,
}

impl Identity {
    /// What this process and this machine allow. `engine` tells engines of one machine apart.
    pub fn detect(engine: u32) -> Self {
        if geteuid().is_root() {
            return Self::Ranges(UidRanges::new(engine));
        }
        let name = User::from_uid(geteuid())
            .ok()
            .flatten()
            .map(|user| user.name)
            .unwrap_or_default();
        let lookup = |file: &str| {
            let text = std::fs::read_to_string(file).ok()?;
            subordinate_ids(&text, &name, geteuid().as_raw())
        };
        let tools = ["newuidmap", "newgidmap"]
            .iter()
            .all(|tool| Path::new("/usr/bin").join(tool).is_file());
        match (tools, lookup("/etc/subuid"), lookup("/etc/subgid")) {
            (true, Some(users), Some(groups)) => Self::Subordinate { users, groups },
            _ => Self::Single,
        }
    }

    /// Whether the engine is the host's root.
    pub fn privileged(&self) -> bool {
        matches!(self, Self::Ranges(_))
    }

    /// What must be said aloud about this machine, if anything.
    pub fn warning(&self) -> Option<&'static str> {
        match self {
            Self::Ranges(_) => None,
            Self::Subordinate { .. } => {
                Some("not root: sandboxes share one range of subordinate ids, so only their namespaces keep them apart")
            }
            Self::Single => Some(
                "neither root nor subordinate ids (newuidmap, /etc/subuid): inside a sandbox there is one user only, \
                 so the agent is not kept from the supervisor",
            ),
        }
    }

    /// Ids for a new sandbox; `None` when all ranges are taken.
    pub fn assign(&self) -> Option<Ids> {
        match self {
            Self::Ranges(ranges) => ranges.take().map(Ids::Own),
            _ => Some(Ids::Shared),
        }
    }

    /// Writes the mapping of the user namespace that process `pid` has just made.
    pub async fn map(&self, pid: u32, ids: &Ids) -> io::Result<()> {
        match (self, ids) {
            (_, Ids::Own(range)) => {
                let line = format!("0 {} {RANGE_SIZE}\n", range.first());
                std::fs::write(format!("/proc/{pid}/gid_map"), &line)?;
                std::fs::write(format!("/proc/{pid}/uid_map"), &line)
            }
            (Self::Subordinate { users, groups }, Ids::Shared) => {
                map_with("newuidmap", pid, geteuid().as_raw(), *users).await?;
                map_with("newgidmap", pid, getegid().as_raw(), *groups).await
            }
            (_, Ids::Shared) => {
                std::fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
                std::fs::write(format!("/proc/{pid}/gid_map"), format!("0 {} 1\n", getegid()))?;
                std::fs::write(format!("/proc/{pid}/uid_map"), format!("0 {} 1\n", geteuid()))
            }
        }
    }
}

impl Ids {
    /// Host id that stands for id 0 inside, where the engine may give files to it.
    pub fn first_host_id(&self) -> Option<u32> {
        match self {
            Self::Own(range) => Some(range.first()),
            Self::Shared => None,
        }
    }
}

async fn map_with(tool: &str, pid: u32, own: u32, (first, count): (u32, u32)) -> io::Result<()> {
    let words = [pid, 0, own, 1, 1, first, count.min(RANGE_SIZE - 1)].map(|number| number.to_string());
    let output = Command::new(tool).args(words).output().await?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{tool}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}

/// First range in a file such as `/etc/subuid` that belongs to the user and holds at least the agent's id.
fn subordinate_ids(text: &str, name: &str, id: u32) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let first: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        ((owner == name || owner == id.to_string()) && count >= crate::launch::root_files::AGENT_ID)
            .then_some((first, count))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ids_are_found_by_name_and_by_number() {
        let text = "# comment\nada:100000:65536\n1001:200000:65536\nbob:300000:10\n";
        assert_eq!(subordinate_ids(text, "ada", 1_000), Some((100_000, 65_536)));
        assert_eq!(subordinate_ids(text, "eve", 1_001), Some((200_000, 65_536)));
        assert_eq!(subordinate_ids(text, "bob", 1_002), None, "too few for the agent's id");
        assert_eq!(subordinate_ids(text, "mallory", 1_003), None);
    }
}
