//! What is at a path, and what is in a folder.

use std::collections::BinaryHeap;
use std::os::fd::OwnedFd;

use molt_common::control::files::{FileEntry, FileKind, FileList, FilesQuery, cursor};
use molt_common::home_path::HomePath;
use molt_common::time::Millis;
use rustix::fs::{Dir, Stat, readlinkat};

use super::error::FileError;
use super::home::{self, Home};

/// Entries of a page when the caller does not say how many.
const USUAL: u32 = 200;

/// What is at a path; a link itself, unless it is in the middle.
pub fn stat(home: &Home, path: &HomePath) -> Result<FileEntry, FileError> {
    if path.is_home() {
        let about = rustix::fs::fstat(home.look(path)?)?;
        return Ok(entry(String::new(), b"", &about, None));
    }
    let (folder, name) = home.folder_of(path)?;
    let about = home::about(&folder, name)?;
    Ok(entry(path.to_string(), name, &about, target(&folder, name, &about)))
}

/// A page of a folder. Of a huge one, only the names of the page are kept.
pub fn page(home: &Home, query: &FilesQuery) -> Result<FileList, FileError> {
    let folder = home.folder(&query.path)?;
    let limit = query.limit.unwrap_or(USUAL) as usize;
    let mut names: BinaryHeap<Vec<u8>> = BinaryHeap::new();
    for found in Dir::read_from(&folder)? {
        let found = found?;
        let name = found.file_name().to_bytes();
        let before = query.after.as_deref().is_some_and(|after| name <= after);
        if before || matches!(name, b"." | b"..") {
            continue;
        }
        if names.len() <= limit {
            names.push(name.to_vec());
        } else if let Some(mut last) = names.peek_mut()
            && name < last.as_slice()
        {
            *last = name.to_vec();
        }
    }
    let mut names = names.into_sorted_vec();
    let more = names.len() > limit;
    names.truncate(limit);
    let next_cursor = names.last().filter(|_| more).map(|name| cursor(name));
    let mut entries = Vec::with_capacity(names.len());
    for name in names {
        // What went away since is not there.
        if let Ok(about) = home::about(&folder, &name) {
            let target = target(&folder, &name, &about);
            entries.push(entry(query.path.encoded_child(&name), &name, &about, target));
        }
    }
    Ok(FileList {
        path: query.path.to_string(),
        entries,
        next_cursor,
    })
}

/// What is told of a file.
pub fn entry(path: String, name: &[u8], about: &Stat, target: Option<Vec<u8>>) -> FileEntry {
    let kind = home::kind(about);
    let (size, etag) = match kind {
        FileKind::File => (home::size(about), Some(home::etag(about))),
        _ => (0, None),
    };
    FileEntry {
        name: String::from_utf8_lossy(name).into_owned(),
        path,
        kind,
        size,
        mode: format!("{:04o}", about.st_mode & 0o7777),
        modified_at: modified_at(about),
        target: target.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        etag,
    }
}

/// When it was changed last; nothing for what lies before 1970.
pub fn modified_at(about: &Stat) -> Option<Millis> {
    let seconds = u64::try_from(about.st_mtime).ok()?;
    let rest = about.st_mtime_nsec / 1_000_000;
    Some(Millis(seconds.saturating_mul(1_000).saturating_add(rest)))
}

/// Where a link leads.
pub fn target(folder: &OwnedFd, name: &[u8], about: &Stat) -> Option<Vec<u8>> {
    let link = home::kind(about) == FileKind::Link;
    let target = link.then(|| readlinkat(folder, name, Vec::new()).ok()).flatten()?;
    Some(target.into_bytes())
}
