//! What the engine tells the launcher of a container, and the command line of bubblewrap that follows from it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::root_files::Owned;

/// Capabilities that the first process keeps, over its own user namespace alone: enough to own files and processes of the agent's
/// user, to become it, and to end it. Nothing over network, mounts or the kernel.
pub const CAPABILITIES: [&str; 6] = [
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_KILL",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
];
/// Bytes that `/tmp` may hold; they count as memory of the container too.
const TMP_BYTES: u64 = 1 << 30;
/// Bytes that `/run` may hold.
const RUN_BYTES: u64 = 16 << 20;

/// One container's first process and the world it gets to see. Sent over a pipe, for it holds the environment.
#[derive(Debug, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// Process id of the engine: the launcher ends when its parent is no longer this one.
    pub engine_pid: i32,
    /// The program `bwrap`.
    pub bubblewrap: PathBuf,
    /// File of the user namespace to join.
    pub user_namespace: PathBuf,
    /// File of the network namespace to join.
    pub network_namespace: PathBuf,
    /// Whether the launcher runs as the host's root. Then it can, and must, open what the container's own user cannot reach.
    pub privileged: bool,
    /// Host name inside.
    pub hostname: String,
    /// Top-level system directories, as on the host.
    pub system: Vec<SystemDirectory>,
    /// Everything else that is visible, in the order of mounting.
    pub binds: Vec<Bind>,
    /// Directories that the launcher gives to their owners, when the engine could not.
    pub owned: Vec<Owned>,
    /// Variables for the first process, and no others.
    pub env: Vec<(String, String)>,
    /// Program and arguments of the first process.
    pub argv: Vec<String>,
    /// Descriptor on which bubblewrap tells the process id of the first process, open in the launcher.
    pub info_fd: i32,
    /// Descriptor on which the last step tells whether the program could be run, open in the launcher.
    pub report_fd: i32,
}

/// A directory such as `/usr` that is the host's, read-only, or a link such as `/bin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemDirectory {
    /// Path, the same on both sides.
    pub path: PathBuf,
    /// Where it points to, if it is a symbolic link.
    pub link_to: Option<PathBuf>,
}

/// Something of the host at a place inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Path on the host.
    pub source: PathBuf,
    /// Path inside.
    pub target: PathBuf,
    /// Whether it can be written to.
    pub writable: bool,
}

/// The system directories of this host.
pub fn system_directories() -> Vec<SystemDirectory> {
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]
        .into_iter()
        .map(PathBuf::from)
        .filter(|path| path.exists())
        .map(|path| SystemDirectory {
            link_to: std::fs::read_link(&path).ok(),
            path,
        })
        .collect()
}

impl LaunchSpec {
    /// Options for bubblewrap, without the program to run. `sources` are the places where the binds can be reached, in the order of
    /// [`LaunchSpec::binds`].
    pub fn options(&self, sources: &[PathBuf]) -> Vec<OsString> {
        let mut args = Arguments::default();
        args.add([
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup-try",
        ]);
        args.add([
            "--die-with-parent",
            "--as-pid-1",
            "--info-fd",
            &self.info_fd.to_string(),
        ]);
        // The last step needs one more, to give up all others for good.
        args.add(["--cap-drop", "ALL", "--cap-add", "CAP_SETPCAP"]);
        for capability in CAPABILITIES {
            args.add(["--cap-add", capability]);
        }
        args.add(["--hostname", &self.hostname, "--clearenv"]);
        for (name, value) in &self.env {
            args.add(["--setenv", name, value]);
        }
        for directory in &self.system {
            match &directory.link_to {
                Some(target) => args.paths("--symlink", target, &directory.path),
                None => args.paths("--ro-bind", &directory.path, &directory.path),
            }
        }
        args.add(["--proc", "/proc", "--dev", "/dev"]);
        args.add(["--perms", "1777", "--size", &TMP_BYTES.to_string(), "--tmpfs", "/tmp"]);
        args.add(["--perms", "0755", "--size", &RUN_BYTES.to_string(), "--tmpfs", "/run"]);
        args.add(["--perms", "0755", "--dir", "/var"]);
        args.add(["--symlink", "../tmp", "/var/tmp", "--symlink", "../run", "/var/run"]);
        for directory in self.parents() {
            args.add(["--perms", "0755", "--dir"]);
            args.0.push(directory.into());
        }
        for (bind, source) in self.binds.iter().zip(sources) {
            args.paths(if bind.writable { "--bind" } else { "--ro-bind" }, source, &bind.target);
        }
        args.add(["--remount-ro", "/", "--chdir", "/"]);
        args.0
    }

    /// Directories above the binds, outermost first. Bubblewrap would make them itself, but closed to the agent's user.
    fn parents(&self) -> Vec<&Path> {
        let provided =
            |path: &&Path| path.parent().is_some() && !self.binds.iter().any(|bind| path.starts_with(&bind.target));
        let above = self.binds.iter().flat_map(|bind| bind.target.ancestors().skip(1));
        let mut parents: Vec<&Path> = above.filter(provided).collect();
        // A parent sorts before what lies in it.
        parents.sort();
        parents.dedup();
        parents
    }
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn add<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.into_iter().map(OsString::from));
    }

    fn paths(&mut self, option: &str, source: &Path, target: &Path) {
        self.0.extend([option.into(), source.into(), target.into()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> LaunchSpec {
        LaunchSpec {
            engine_pid: 1,
            bubblewrap: "/usr/bin/bwrap".into(),
            user_namespace: "/proc/2/ns/user".into(),
            network_namespace: "/proc/2/ns/net".into(),
            privileged: true,
            hostname: "sandbox".into(),
            system: vec![
                SystemDirectory {
                    path: "/usr".into(),
                    link_to: None,
                },
                SystemDirectory {
                    path: "/bin".into(),
                    link_to: Some("usr/bin".into()),
                },
            ],
            binds: vec![
                Bind {
                    source: "/host/etc".into(),
                    target: "/etc".into(),
                    writable: false,
                },
                Bind {
                    source: "/host/home".into(),
                    target: "/home/agent".into(),
                    writable: true,
                },
            ],
            owned: Vec::new(),
            env: vec![("A".into(), "1".into())],
            argv: vec!["/opt/molt/sandboxd".into(), "--unshare-net".into()],
            info_fd: 9,
            report_fd: 10,
        }
    }

    fn options() -> Vec<String> {
        let args = spec().options(&["/tmp/0".into(), "/tmp/1".into()]);
        args.into_iter().map(|arg| arg.into_string().unwrap()).collect()
    }

    fn follows(args: &[String], words: &[&str]) -> bool {
        args.windows(words.len()).any(|window| window == words)
    }

    #[test]
    fn only_the_listed_places_are_writable() {
        let args = options();
        assert!(follows(&args, &["--ro-bind", "/usr", "/usr"]));
        assert!(follows(&args, &["--symlink", "usr/bin", "/bin"]));
        assert!(follows(&args, &["--ro-bind", "/tmp/0", "/etc"]));
        assert!(follows(&args, &["--bind", "/tmp/1", "/home/agent"]));
        assert_eq!(args.iter().filter(|arg| *arg == "--bind").count(), 1);
        assert!(follows(&args, &["--remount-ro", "/"]));
    }

    #[test]
    fn the_environment_starts_empty() {
        let args = options();
        let cleared = args.iter().position(|arg| arg == "--clearenv").unwrap();
        let set = args.iter().position(|arg| arg == "--setenv").unwrap();
        assert!(cleared < set);
        assert_eq!(args.iter().filter(|arg| *arg == "--setenv").count(), 1);
    }

    #[test]
    fn the_way_to_a_bind_is_open_to_the_agents_user() {
        let options = options();
        let home = options.iter().position(|word| word == "/home").unwrap();
        assert_eq!(options[home - 3..home], ["--perms", "0755", "--dir"]);
        let bind = options.iter().position(|word| word == "/home/agent").unwrap();
        assert!(home < bind);
        assert!(!options.windows(2).any(|words| words == ["--dir", "/"]));
    }

    #[test]
    fn all_capabilities_go_before_the_few_come_back() {
        let args = options();
        assert!(follows(
            &args,
            &[
                "--cap-drop",
                "ALL",
                "--cap-add",
                "CAP_SETPCAP",
                "--cap-add",
                "CAP_SETUID"
            ]
        ));
        assert_eq!(
            args.iter().filter(|arg| *arg == "--cap-add").count(),
            CAPABILITIES.len() + 1
        );
    }
}
