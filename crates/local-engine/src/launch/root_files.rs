//! The files that a container gets of its own: a small `/etc`, and its writable directories.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::spec::Bind;
use crate::images::Image;

/// User and group id of the agent and of commands, inside.
pub const AGENT_ID: u32 = 1_000;

/// Parts of the host's `/etc` that say nothing about its users or networks, and that programs need.
const SHARED_ETC: [&str; 12] = [
    "alternatives",
    "ca-certificates",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
];

/// Where the certificate authority of the network's interceptor goes, below `/etc`.
const AUTHORITY_DIRECTORY: &str = "cloudflare/certs";

/// A writable directory and the id, inside, that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Path on the host.
    pub path: PathBuf,
    /// User and group inside.
    pub id: u32,
}

/// The files of one container, in a directory that is removed with it.
#[derive(Debug)]
pub struct RootFiles {
    /// What becomes visible inside, in the order of mounting.
    pub binds: Vec<Bind>,
    /// Its writable directories.
    pub owned: Vec<Owned>,
}

/// Who a writable directory belongs to: one below `/home` to the agent, any other to the supervisor.
pub fn owner_of(target: &Path) -> u32 {
    if target.starts_with("/home") { AGENT_ID } else { 0 }
}

impl RootFiles {
    /// Makes the files below `directory`, which exists and is empty or holds what an earlier call made for the same image.
    /// `first_host_id` is the host id that stands for id 0 inside, where this process may give files away.
    pub fn prepare(directory: &Path, image: &Image, first_host_id: Option<u32>) -> io::Result<Self> {
        let etc = directory.join("etc");
        make_directory(&etc, 0o755)?;
        for (name, text) in generated(&image.hostname) {
            let path = etc.join(name);
            std::fs::write(&path, text)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
        }
        make_directory(&etc.join(AUTHORITY_DIRECTORY), 0o755)?;
        let mut binds = vec![Bind {
            source: etc.clone(),
            target: "/etc".into(),
            writable: false,
        }];
        for name in SHARED_ETC {
            let source = Path::new("/etc").join(name);
            if source.exists() {
                make_mount_point(&etc.join(name), source.is_dir())?;
                binds.push(Bind {
                    target: source.clone(),
                    source,
                    writable: false,
                });
            }
        }
        let mut owned = Vec::new();
        for (number, target) in image.writable.iter().enumerate() {
            let path = directory.join("writable").join(number.to_string());
            let id = owner_of(target);
            make_directory(&path, if id == AGENT_ID { 0o750 } else { 0o755 })?;
            if let Some(first) = first_host_id {
                chown(&path, Some(first + id), Some(first + id))?;
            }
            binds.push(Bind {
                source: path.clone(),
                target: target.clone(),
                writable: true,
            });
            owned.push(Owned { path, id });
        }
        binds.extend(image.mounts.iter().map(|mount| Bind {
            source: mount.source.clone(),
            target: mount.target.clone(),
            writable: false,
        }));
        // A place inside another must be mounted after it.
        binds.sort_by_key(|bind| bind.target.components().count());
        Ok(Self { binds, owned })
    }
}

fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
    // The process's umask may have taken bits away.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn make_mount_point(path: &Path, directory: bool) -> io::Result<()> {
    if directory {
        return make_directory(path, 0o755);
    }
    if let Some(parent) = path.parent() {
        make_directory(parent, 0o755)?;
    }
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map(drop)
}

/// Names and contents of the files that are the container's own.
fn generated(hostname: &str) -> [(&'static str, String); 6] {
    [
        (
            "passwd",
            format!(
                "root:x:0:0:root:/root:/bin/sh\nagent:x:{AGENT_ID}:{AGENT_ID}:agent:/home/agent:/bin/sh\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        ("group", format!("root:x:0:\nagent:x:{AGENT_ID}:\nnogroup:x:65534:\n")),
        (
            "hosts",
            format!("127.0.0.1 localhost {hostname}\n::1 localhost ip6-localhost ip6-loopback\n"),
        ),
        ("hostname", format!("{hostname}\n")),
        (
            "resolv.conf",
            "nameserver 127.0.0.1\noptions timeout:3 attempts:2\n".to_owned(),
        ),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n".to_owned(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(json: &str) -> Image {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn homes_belong_to_the_agent_and_the_rest_to_the_supervisor() {
        assert_eq!(owner_of(Path::new("/home/agent")), AGENT_ID);
        assert_eq!(owner_of(Path::new("/var/lib/molt")), 0);
        assert_eq!(owner_of(Path::new("/homestead")), 0);
    }

    #[test]
    fn the_hosts_users_are_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let image = image(r#"{"match":"x","entrypoint":["/a"],"writable":["/home/agent"],"hostname":"box"}"#);
        let files = RootFiles::prepare(directory.path(), &image, None).unwrap();
        let etc = directory.path().join("etc");
        let passwd = std::fs::read_to_string(etc.join("passwd")).unwrap();
        assert_eq!(passwd.lines().count(), 3);
        assert!(passwd.contains("agent:x:1000:1000:"));
        assert!(
            std::fs::read_to_string(etc.join("hosts"))
                .unwrap()
                .contains("127.0.0.1 localhost box")
        );
        for secret in ["/etc/passwd", "/etc/shadow", "/etc/hosts", "/etc/resolv.conf"] {
            assert!(
                !files.binds.iter().any(|bind| bind.source == Path::new(secret)),
                "{secret}"
            );
        }
    }

    #[test]
    fn a_place_inside_another_is_mounted_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let image = image(
            r#"{"match":"x","entrypoint":["/a"],"writable":["/opt/a/b/c","/opt/a"],"mounts":[{"source":"/usr","target":"/opt/a/b"}]}"#,
        );
        let files = RootFiles::prepare(directory.path(), &image, None).unwrap();
        let place = |target: &str| {
            files
                .binds
                .iter()
                .position(|bind| bind.target == Path::new(target))
                .unwrap()
        };
        assert!(place("/opt/a") < place("/opt/a/b"));
        assert!(place("/opt/a/b") < place("/opt/a/b/c"));
        assert!(place("/etc") < files.binds.len() - 1);
    }

    #[test]
    fn a_second_start_of_the_same_container_keeps_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let image = image(r#"{"match":"x","entrypoint":["/a"],"writable":["/home/agent"]}"#);
        let first = RootFiles::prepare(directory.path(), &image, None).unwrap();
        std::fs::write(first.owned[0].path.join("note"), "kept").unwrap();
        let second = RootFiles::prepare(directory.path(), &image, None).unwrap();
        assert_eq!(
            std::fs::read_to_string(second.owned[0].path.join("note")).unwrap(),
            "kept"
        );
    }
}
