//! The bound of a sandbox's memory, as the kernel keeps it.

use crate::people::User;
use crate::stack::Stack;
use std::fs;
use std::path::{Path, PathBuf};

const MOUNT: &str = "/sys/fs/cgroup";

/// The memory of one sandbox.
#[derive(Debug)]
pub struct Memory {
    directory: PathBuf,
    unified: bool,
}

impl Memory {
    /// Of a running sandbox; `None` on a machine on which nothing bounds it.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn of(stack: &Stack, user: &User) -> Option<Self> {
        let init = stack.engine.only(user).await;
        let groups = fs::read_to_string(format!("/proc/{init}/cgroup")).ok()?;
        let path = |wanted: &str| {
            groups.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let (controllers, path) = rest.split_once(':')?;
                (controllers == wanted).then(|| path.trim_start_matches('/').to_owned())
            })
        };
        let places = [
            path("memory").map(|path| Self {
                directory: Path::new(MOUNT).join("memory").join(path),
                unified: false,
            }),
            path("").map(|path| Self {
                directory: Path::new(MOUNT).join(path),
                unified: true,
            }),
        ];
        places.into_iter().flatten().find(|memory| {
            // A group that is not the sandbox's own must not be touched.
            memory.directory.to_string_lossy().contains("moltworker") && memory.directory.join(memory.bound()).exists()
        })
    }

    const fn bound(&self) -> &'static str {
        if self.unified {
            "memory.max"
        } else {
            "memory.limit_in_bytes"
        }
    }

    /// Bytes in use.
    ///
    /// # Panics
    /// When the kernel does not say.
    #[must_use]
    pub fn used(&self) -> u64 {
        let file = if self.unified {
            "memory.current"
        } else {
            "memory.usage_in_bytes"
        };
        let text = fs::read_to_string(self.directory.join(file)).expect("how much is in use");
        text.trim().parse().expect("a number")
    }

    /// Processes that the kernel has killed here for want of memory.
    ///
    /// # Panics
    /// When the kernel does not say.
    #[must_use]
    pub fn killed(&self) -> u64 {
        let file = if self.unified {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        let text = fs::read_to_string(self.directory.join(file)).expect("how many were killed");
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).expect("a number")
    }

    /// Leaves this many bytes beyond what is in use, so that running out of them takes little from the machine.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn leave(&self, bytes: u64) {
        fs::write(self.directory.join(self.bound()), (self.used() + bytes).to_string()).expect("a bound");
    }
}
