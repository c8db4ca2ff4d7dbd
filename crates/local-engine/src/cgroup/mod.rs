//! Control groups: the bounds of a container and the list of everything that runs in it.

mod hierarchy;
mod settings;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use hierarchy::Hierarchy;

use crate::limits::Limits;

/// Name of the directory that all engines share, below the mount of a hierarchy.
const PARENT: &str = "moltworker";
/// Age from which an empty group is nobody's.
const ABANDONED: Duration = Duration::from_secs(60);
/// How long the kernel may take to let go of killed processes.
const EMPTYING: Duration = Duration::from_secs(5);

/// The control groups of one engine.
#[derive(Debug)]
pub struct Cgroups {
    hierarchy: Hierarchy,
    instance: String,
}

impl Cgroups {
    /// Groups of the engine called `instance` in what this machine offers.
    pub fn new(hierarchy: Hierarchy, instance: &str) -> Self {
        Self {
            hierarchy,
            instance: instance.to_owned(),
        }
    }

    /// Tries whether groups can really be made; if not, does without from then on. The error says why.
    pub fn try_out(&mut self) -> io::Result<()> {
        let bounds = Limits {
            cpu_millis: 1_000,
            memory_bytes: 1 << 30,
            pids: 64,
        };
        let outcome = self.create("trial", &bounds).map(|group| group.remove_now());
        if outcome.is_err() {
            self.hierarchy = Hierarchy::none();
        }
        outcome.map(drop)
    }

    /// Controllers without which some bound will not hold; empty when all are there.
    pub fn missing(&self) -> Vec<&'static str> {
        self.hierarchy.missing()
    }

    /// Makes the group of a container, with its bounds. An error leaves nothing behind.
    pub fn create(&self, name: &str, limits: &Limits) -> io::Result<Cgroup> {
        let group = Cgroup {
            directories: self.directories(name),
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.make(&group, limits) {
                Ok(()) => return Ok(group),
                // Another engine that starts or ends may remove a directory just before ours is made in it.
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < 5 => {}
                Err(error) => {
                    group.remove_now();
                    return Err(error);
                }
            }
        }
    }

    fn make(&self, group: &Cgroup, limits: &Limits) -> io::Result<()> {
        self.hierarchy.prepare(PARENT, &self.instance)?;
        for (directory, controllers) in group.directories.iter().zip(self.hierarchy.controllers()) {
            make_directory(directory)?;
            for setting in self.hierarchy.settings(controllers, limits) {
                setting.apply(directory)?;
            }
        }
        Ok(())
    }

    /// Removes groups of engines that were killed and never started again. A group of one that lives has a process in it, or is younger
    /// than [`ABANDONED`], or is made again when it is needed.
    pub fn sweep_abandoned(&self) {
        for base in self.hierarchy.bases(PARENT, &self.instance) {
            for engine in base.parent().map(subdirectories).unwrap_or_default() {
                for group in subdirectories(&engine).into_iter().chain([engine]) {
                    let age = std::fs::metadata(&group).and_then(|found| found.modified()).ok();
                    if age
                        .and_then(|made| made.elapsed().ok())
                        .is_some_and(|age| age > ABANDONED)
                    {
                        // The kernel refuses where there is still a process.
                        drop(std::fs::remove_dir(&group));
                    }
                }
            }
        }
    }

    /// Ends whatever an earlier engine of the same name left behind, and removes its groups. Returns how many groups there were.
    pub async fn sweep(&self) -> usize {
        let bases = self.hierarchy.bases(PARENT, &self.instance);
        let left = bases.iter().flat_map(|base| subdirectories(base));
        let names: BTreeSet<_> = left
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect();
        for name in &names {
            Cgroup {
                directories: self.directories(name),
            }
            .destroy()
            .await;
        }
        self.remove_instance();
        names.len()
    }

    /// Removes the engine's own directories; those that still hold a group stay.
    pub fn remove_instance(&self) {
        for base in self.hierarchy.bases(PARENT, &self.instance) {
            drop(std::fs::remove_dir(&base));
            if let Some(parent) = base.parent() {
                drop(std::fs::remove_dir(parent));
            }
        }
    }

    fn directories(&self, name: &str) -> Vec<PathBuf> {
        self.hierarchy
            .bases(PARENT, &self.instance)
            .into_iter()
            .map(|base| base.join(name))
            .collect()
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        self.remove_instance();
    }
}

fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return Vec::new();
    };
    let directories = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}

fn make_directory(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// The group of one container: one directory per hierarchy.
#[derive(Debug)]
pub struct Cgroup {
    directories: Vec<PathBuf>,
}

impl Cgroup {
    /// Puts a process, and with it all that it will start, into the group.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        self.directories
            .iter()
            .try_for_each(|directory| std::fs::write(directory.join("cgroup.procs"), pid.to_string()))
    }

    /// The directory by which people find the group: that of the memory controller where there are several.
    pub fn path(&self) -> Option<&Path> {
        let memory = self
            .directories
            .iter()
            .find(|path| path.components().any(|part| part.as_os_str() == "memory"));
        memory.or(self.directories.first()).map(PathBuf::as_path)
    }

    /// The directory with the memory counters, and where a container expects its own: under the controller's name where there are several
    /// hierarchies, at the root where there is one.
    pub fn counters(&self) -> Option<(&Path, &'static Path)> {
        let path = self.path()?;
        let unified = path.join("memory.events").exists();
        Some((
            path,
            Path::new(if unified {
                "/sys/fs/cgroup"
            } else {
                "/sys/fs/cgroup/memory"
            }),
        ))
    }

    /// How many processes the kernel killed because the memory of the group was used up.
    pub fn memory_kills(&self) -> u64 {
        let read = |directory: &PathBuf, file: &str| std::fs::read_to_string(directory.join(file)).ok();
        self.directories
            .iter()
            .filter_map(|directory| read(directory, "memory.events").or_else(|| read(directory, "memory.oom_control")))
            .filter_map(|text| settings::memory_kills(&text))
            .max()
            .unwrap_or(0)
    }

    /// Kills everything in the group and removes it. Gives up after [`EMPTYING`], with a warning.
    pub async fn destroy(&self) {
        let deadline = tokio::time::Instant::now() + EMPTYING;
        loop {
            self.kill();
            if self.remove_now() {
                return;
            }
            if tokio::time::Instant::now() >= deadline {
                tracing::warn!(cgroup = ?self.path(), "control group could not be emptied and stays behind");
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn kill(&self) {
        for directory in &self.directories {
            // cgroup v2 kills atomically; v1 has no such file, and there the list may grow while it is read, hence the caller's loop.
            if std::fs::write(directory.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            let Ok(list) = std::fs::read_to_string(directory.join("cgroup.procs")) else {
                continue;
            };
            for pid in list
                .lines()
                .filter_map(|line| line.trim().parse().ok())
                .filter(|pid| *pid > 0)
            {
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
    }

    /// Whether nothing of the group is left.
    fn remove_now(&self) -> bool {
        self.directories
            .iter()
            .all(|directory| match std::fs::remove_dir(directory) {
                Ok(()) => true,
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_groups_that_nobody_can_be_about_to_use_are_swept() {
        let root = tempfile::tempdir().unwrap();
        let long_ago = SystemTime::now() - 2 * ABANDONED;
        for (group, old) in [
            ("dead/a", true),
            ("live/b", false),
            ("mixed/c", true),
            ("mixed/d", false),
        ] {
            let group = root.path().join(PARENT).join(group);
            std::fs::create_dir_all(&group).unwrap();
            if old {
                std::fs::File::open(&group).unwrap().set_modified(long_ago).unwrap();
            }
        }
        let dead = root.path().join(PARENT).join("dead");
        std::fs::File::open(&dead).unwrap().set_modified(long_ago).unwrap();
        let cgroups = Cgroups::new(Hierarchy::Unified(root.path().to_owned()), "ours");
        cgroups.sweep_abandoned();
        let left = |path: &str| root.path().join(PARENT).join(path).is_dir();
        assert!(!left("dead/a") && !left("mixed/c"));
        assert!(left("live/b") && left("mixed/d"));
    }
}
