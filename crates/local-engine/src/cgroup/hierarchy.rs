//! What this machine offers: one unified hierarchy (v2), one per controller (v1), or none that we may write to.

use std::io;
use std::path::{Path, PathBuf};

use super::make_directory;
use super::settings::{self, Setting};
use crate::limits::Limits;

/// The controllers whose bounds we set.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// Where control groups can be made.
#[derive(Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// One tree with all three controllers.
    Unified(PathBuf),
    /// A tree for each of these controllers, perhaps not for all three.
    PerController(Vec<(&'static str, PathBuf)>),
}

impl Hierarchy {
    /// Looks at the machine's mounts.
    pub fn detect() -> Self {
        Self::detect_at(Path::new("/sys/fs/cgroup"))
    }

    /// A machine without control groups.
    pub fn none() -> Self {
        Self::PerController(Vec::new())
    }

    fn detect_at(mount: &Path) -> Self {
        if let Ok(list) = std::fs::read_to_string(mount.join("cgroup.controllers"))
            && CONTROLLERS
                .iter()
                .all(|controller| list.split_whitespace().any(|word| word == *controller))
            && writable(mount)
        {
            return Self::Unified(mount.to_owned());
        }
        let trees = CONTROLLERS
            .into_iter()
            .map(|controller| (controller, mount.join(controller)));
        Self::PerController(
            trees
                .filter(|(_, path)| path.join("cgroup.procs").exists() && writable(path))
                .collect(),
        )
    }

    /// Controllers that are not there.
    pub fn missing(&self) -> Vec<&'static str> {
        match self {
            Self::Unified(_) => Vec::new(),
            Self::PerController(trees) => CONTROLLERS
                .into_iter()
                .filter(|name| !trees.iter().any(|(there, _)| there == name))
                .collect(),
        }
    }

    /// The directory of an engine's groups in each tree.
    pub fn bases(&self, parent: &str, instance: &str) -> Vec<PathBuf> {
        match self {
            Self::Unified(root) => vec![root.join(parent).join(instance)],
            Self::PerController(trees) => trees.iter().map(|(_, root)| root.join(parent).join(instance)).collect(),
        }
    }

    /// The controllers of each tree, in the order of [`Hierarchy::bases`].
    pub fn controllers(&self) -> Vec<&'static str> {
        match self {
            Self::Unified(_) => vec!["all"],
            Self::PerController(trees) => trees.iter().map(|(name, _)| *name).collect(),
        }
    }

    /// What a group in the tree of `controllers` is told.
    pub fn settings(&self, controllers: &str, limits: &Limits) -> Vec<Setting> {
        match self {
            Self::Unified(_) => settings::v2(limits),
            Self::PerController(_) => settings::v1(controllers, limits),
        }
    }

    /// Makes the directories above an engine's groups, with the controllers switched on for what lies below.
    pub fn prepare(&self, parent: &str, instance: &str) -> io::Result<()> {
        for base in self.bases(parent, instance) {
            let Some(shared) = base.parent() else { continue };
            make_directory(shared)?;
            make_directory(&base)?;
            if let Self::Unified(root) = self {
                for directory in [root.as_path(), shared, &base] {
                    std::fs::write(directory.join("cgroup.subtree_control"), "+cpu +memory +pids")?;
                }
            }
        }
        Ok(())
    }
}

fn writable(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unified_tree_with_all_controllers_is_preferred() {
        let mount = tempfile::tempdir().unwrap();
        std::fs::write(
            mount.path().join("cgroup.controllers"),
            "cpuset cpu io memory hugetlb pids rdma\n",
        )
        .unwrap();
        let found = Hierarchy::detect_at(mount.path());
        assert_eq!(found, Hierarchy::Unified(mount.path().to_owned()));
        assert!(found.missing().is_empty());
    }

    #[test]
    fn a_unified_tree_without_controllers_is_of_no_use() {
        let mount = tempfile::tempdir().unwrap();
        std::fs::write(mount.path().join("cgroup.controllers"), "cpuset io\n").unwrap();
        assert_eq!(Hierarchy::detect_at(mount.path()).missing(), CONTROLLERS);
    }

    #[test]
    fn a_missing_controller_is_named() {
        let mount = tempfile::tempdir().unwrap();
        for controller in ["cpu", "pids"] {
            std::fs::create_dir(mount.path().join(controller)).unwrap();
            std::fs::write(mount.path().join(controller).join("cgroup.procs"), "").unwrap();
        }
        assert_eq!(Hierarchy::detect_at(mount.path()).missing(), ["memory"]);
    }
}
