//! What the file system says of a path, as restic keeps it, and back.

use rustic_core::jiff::Timestamp;
use rustic_core::repofile::{Metadata, Node, NodeType};
use rustix::fs::{FileType, Stat};
use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Go's `fs.FileMode`, which restic keeps: the bits above the permissions.
mod go {
    pub const DIR: u32 = 1 << 31;
    pub const SYMLINK: u32 = 1 << 27;
    pub const DEVICE: u32 = 1 << 26;
    pub const FIFO: u32 = 1 << 25;
    pub const SETUID: u32 = 1 << 23;
    pub const SETGID: u32 = 1 << 22;
    pub const CHARDEV: u32 = 1 << 21;
    pub const STICKY: u32 = 1 << 20;
}

/// `st_mode` as restic keeps it.
pub fn mode_to_go(mode: u32) -> u32 {
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => go::DIR,
        FileType::Symlink => go::SYMLINK,
        FileType::BlockDevice => go::DEVICE,
        FileType::CharacterDevice => go::DEVICE | go::CHARDEV,
        FileType::Fifo => go::FIFO,
        _ => 0,
    };
    let bit = |unix: u32, theirs: u32| if mode & unix == 0 { 0 } else { theirs };
    kind | mode & 0o777 | bit(0o4000, go::SETUID) | bit(0o2000, go::SETGID) | bit(0o1000, go::STICKY)
}

/// The permission bits of `st_mode`, from what restic keeps.
pub fn permissions(mode: u32) -> u32 {
    let bit = |theirs: u32, unix: u32| if mode & theirs == 0 { 0 } else { unix };
    mode & 0o777 | bit(go::SETUID, 0o4000) | bit(go::SETGID, 0o2000) | bit(go::STICKY, 0o1000)
}

/// Modification time.
pub fn mtime(stat: &Stat) -> Option<Timestamp> {
    time(stat.st_mtime, i64::from(stat.st_mtime_nsec as u32))
}

/// Time of the last change of anything about the file.
pub fn ctime(stat: &Stat) -> Option<Timestamp> {
    time(stat.st_ctime, i64::from(stat.st_ctime_nsec as u32))
}

fn time(seconds: i64, nanoseconds: i64) -> Option<Timestamp> {
    Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()
}

/// Extended attributes of `name` in `folder`, never of what a link leads to. What cannot be read is left out: attributes are kept where possible.
fn attributes(folder: BorrowedFd<'_>, name: &OsStr) -> Vec<(String, Vec<u8>)> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    let Ok(size) = rustix::fs::llistxattr(&path, &mut [0_u8; 0][..]) else {
        return Vec::new();
    };
    if size == 0 {
        return Vec::new();
    }
    let mut names = vec![0_u8; size];
    let Ok(size) = rustix::fs::llistxattr(&path, &mut names[..]) else {
        return Vec::new();
    };
    let mut found: Vec<(String, Vec<u8>)> = names[..size]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .filter_map(|name| {
            let name = std::str::from_utf8(name).ok()?;
            let mut value = vec![0_u8; rustix::fs::lgetxattr(&path, name, &mut [0_u8; 0][..]).ok()?];
            let size = rustix::fs::lgetxattr(&path, name, &mut value[..]).ok()?;
            value.truncate(size);
            Some((name.to_owned(), value))
        })
        .collect();
    // The kernel promises no order, and an unchanged folder must look unchanged.
    found.sort();
    found
}

/// The node of an entry of `folder`. Access times are not kept (reading would change them), nor are names of users, which mean nothing elsewhere.
pub fn node(folder: BorrowedFd<'_>, name: &OsStr, stat: &Stat, kind: NodeType) -> Node {
    let is_dir = matches!(kind, NodeType::Dir);
    let mut meta = Metadata {
        mode: Some(mode_to_go(stat.st_mode)),
        mtime: mtime(stat),
        atime: mtime(stat),
        ctime: ctime(stat),
        uid: Some(stat.st_uid),
        gid: Some(stat.st_gid),
        inode: stat.st_ino,
        // Only where it tells hard links apart: the number of a disk changes with each boot.
        device_id: if !is_dir && stat.st_nlink > 1 { stat.st_dev } else { 0 },
        size: if matches!(kind, NodeType::File) {
            u64::try_from(stat.st_size).unwrap_or(0)
        } else {
            0
        },
        links: if is_dir { 0 } else { u64::from(stat.st_nlink as u32) },
        ..Metadata::default()
    };
    // Their type has no name that we could use, so it is filled through its serialized form.
    let kept: Vec<serde_json::Value> = attributes(folder, name)
        .into_iter()
        .map(|(name, value)| serde_json::json!({ "name": name, "value": base64_of(&value) }))
        .collect();
    if !kept.is_empty() {
        meta.extended_attributes = serde_json::from_value(serde_json::Value::Array(kept)).unwrap_or_default();
    }
    Node::new_node(name, kind, meta)
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Why a node of a repository is not restored under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no name of a file")]
pub struct NameError;

/// A node's name, when it is one: a repository is written by somebody else, and a name must not lead elsewhere.
///
/// # Errors
/// For anything but the name of one entry.
pub fn entry_name(node: &Node) -> Result<std::ffi::OsString, NameError> {
    let name = node.name().into_owned();
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') || bytes.contains(&0) {
        return Err(NameError);
    }
    Ok(name)
}

/// A path for people and for JSON: below the home, with `/`, what is no UTF-8 replaced.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::{entry_name, mode_to_go, permissions};
    use rustic_core::repofile::{Metadata, Node, NodeType};
    use std::ffi::OsStr;

    #[test]
    fn permissions_come_back_with_their_special_bits() {
        for bits in [0o644, 0o4755, 0o2750, 0o1777, 0o7777, 0] {
            assert_eq!(permissions(mode_to_go(0o100_000 | bits)), bits);
            assert_eq!(permissions(mode_to_go(0o040_000 | bits)), bits);
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_none() {
        for bad in ["", ".", "..", "a/b", "/etc", "a\0b"] {
            let mut node = Node::new_node(OsStr::new("x"), NodeType::File, Metadata::default());
            bad.clone_into(&mut node.name);
            assert!(entry_name(&node).is_err(), "{bad:?}");
        }
        let node = Node::new_node(OsStr::new("...\n\\"), NodeType::File, Metadata::default());
        assert_eq!(entry_name(&node).unwrap(), "...\n\\");
    }
}
