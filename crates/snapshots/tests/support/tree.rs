//! What a folder holds, for comparing two of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// An entry: kind, permissions, owner, time of change in nanoseconds, content or target, and which of its inode's names it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: &'static str,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: (i64, i64),
    pub content: Vec<u8>,
    pub first_name: Option<PathBuf>,
}

/// All that is below `root`.
pub fn read(root: &Path) -> BTreeMap<PathBuf, Entry> {
    read_but(root, "\0")
}

/// All that is below `root`, without what begins with `left_out`, which is not opened.
pub fn read_but(root: &Path, left_out: &str) -> BTreeMap<PathBuf, Entry> {
    let mut found = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    visit(root, Path::new(""), left_out, &mut found, &mut inodes);
    found
}

fn visit(
    root: &Path,
    below: &Path,
    left_out: &str,
    found: &mut BTreeMap<PathBuf, Entry>,
    inodes: &mut BTreeMap<u64, PathBuf>,
) {
    let mut names: Vec<OsString> = std::fs::read_dir(root.join(below))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    for name in names {
        let path = below.join(name);
        if path.as_os_str().as_bytes().starts_with(left_out.as_bytes()) {
            continue;
        }
        let full = root.join(&path);
        let meta = std::fs::symlink_metadata(&full).unwrap();
        let kind = meta.file_type();
        let (kind, content) = if kind.is_dir() {
            ("folder", Vec::new())
        } else if kind.is_symlink() {
            ("link", std::fs::read_link(&full).unwrap().into_os_string().into_vec())
        } else if kind.is_fifo() {
            ("fifo", Vec::new())
        } else if kind.is_socket() {
            continue;
        } else if kind.is_file() {
            ("file", std::fs::read(&full).unwrap())
        } else {
            ("device", meta.rdev().to_string().into_bytes())
        };
        let first_name = (meta.nlink() > 1 && !meta.is_dir())
            .then(|| inodes.entry(meta.ino()).or_insert_with(|| path.clone()).clone());
        let mtime = (meta.mtime(), meta.mtime_nsec());
        let is_dir = meta.is_dir();
        found.insert(
            path.clone(),
            Entry {
                kind,
                mode: meta.mode() & 0o7777,
                owner: (meta.uid(), meta.gid()),
                mtime,
                content,
                first_name,
            },
        );
        if is_dir {
            visit(root, &path, left_out, found, inodes);
        }
    }
}

/// Fails with the first path at which they differ.
pub fn assert_same(one: &BTreeMap<PathBuf, Entry>, other: &BTreeMap<PathBuf, Entry>) {
    for (path, entry) in one {
        let Some(found) = other.get(path) else {
            panic!("{path:?} is missing")
        };
        assert!(
            entry == found,
            "{path:?} differs: {:?} {:?}",
            brief(entry),
            brief(found)
        );
    }
    for path in other.keys() {
        assert!(one.contains_key(path), "{path:?} is too much");
    }
}

fn brief(entry: &Entry) -> String {
    format!(
        "{} {:o} {:?} {:?} {} bytes {:?}",
        entry.kind,
        entry.mode,
        entry.owner,
        entry.mtime,
        entry.content.len(),
        entry.first_name
    )
}
