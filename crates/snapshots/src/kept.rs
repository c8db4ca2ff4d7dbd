//! Copies of the repository's own records on the supervisor's disk: indexes, and packs of folders. Objects never change under their names, so what was read
//! once need not be fetched for the next save. Only what was read from the server and compared with its name is kept, never what was only written:
//! what a save has written is read back from the server before it counts.

use bytes::Bytes;
use rustic_core::{FileType, Id};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Most bytes that are kept. With more, all of them go: the disk is the user's, and so large a set of records is read rarely.
const MOST: u64 = 256 << 20;

/// A folder of copies, closed to the agent. What cannot be kept or read is fetched: nothing here fails.
pub struct Kept {
    folder: PathBuf,
    bytes: Mutex<u64>,
}

impl Kept {
    /// In this folder, which is made.
    pub fn new(folder: PathBuf) -> Self {
        // Below the supervisor's own folder, which nobody else may enter.
        drop(fs::create_dir_all(&folder));
        let bytes = files(&folder).map(|(_, size)| size).sum();
        Self {
            folder,
            bytes: Mutex::new(bytes),
        }
    }

    fn path(&self, tpe: FileType, id: &Id) -> PathBuf {
        let kind = if tpe == FileType::Index { "index" } else { "pack" };
        self.folder.join(format!("{kind}-{}", &*id.to_hex()))
    }

    /// The bytes of an object that is kept. Compared with its name again: the disk is no server.
    pub fn get(&self, tpe: FileType, id: &Id) -> Option<Bytes> {
        let bytes = fs::read(self.path(tpe, id)).ok()?;
        (Id::new(Sha256::digest(&bytes).into()) == *id).then(|| bytes.into())
    }

    /// Keeps an object that was read from the server.
    pub fn put(&self, tpe: FileType, id: &Id, bytes: &Bytes) {
        let path = self.path(tpe, id);
        let Ok(mut held) = self.bytes.lock() else { return };
        *held = held.saturating_add(bytes.len() as u64);
        if *held > MOST {
            *held = 0;
            files(&self.folder).for_each(|(file, _)| drop(fs::remove_file(file)));
            return;
        }
        let unfinished = path.with_extension("unfinished");
        if fs::write(&unfinished, bytes).is_err() || fs::rename(&unfinished, &path).is_err() {
            drop(fs::remove_file(unfinished));
        }
    }

    /// Lets go of what the server does not have any more.
    pub fn only(&self, tpe: FileType, listed: &HashSet<Id>) {
        let kind = if tpe == FileType::Index { "index-" } else { "pack-" };
        for (file, _) in files(&self.folder) {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(id) = name.strip_prefix(kind) else { continue };
            if id.parse().map_or(true, |id: Id| !listed.contains(&id)) {
                drop(fs::remove_file(&file));
            }
        }
    }
}

fn files(folder: &Path) -> impl Iterator<Item = (PathBuf, u64)> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.len())))
}

#[cfg(test)]
mod tests {
    use super::Kept;
    use bytes::Bytes;
    use rustic_core::{FileType, Id};
    use sha2::{Digest as _, Sha256};
    use std::collections::HashSet;

    fn object(text: &'static str) -> (Id, Bytes) {
        (
            Id::new(Sha256::digest(text).into()),
            Bytes::from_static(text.as_bytes()),
        )
    }

    #[test]
    fn what_is_kept_is_what_was_put_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (id, bytes) = object("an index");
        let kept = Kept::new(folder.path().join("kept"));
        assert_eq!(kept.get(FileType::Index, &id), None);
        kept.put(FileType::Index, &id, &bytes);
        assert_eq!(kept.get(FileType::Index, &id), Some(bytes.clone()));
        assert_eq!(kept.get(FileType::Pack, &id), None);
        // Another process, and a disk that has gone wrong.
        let again = Kept::new(folder.path().join("kept"));
        assert_eq!(again.get(FileType::Index, &id), Some(bytes));
        std::fs::write(again.path(FileType::Index, &id), "an inde").unwrap();
        assert_eq!(again.get(FileType::Index, &id), None);
    }

    #[test]
    fn what_the_server_lost_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let ((one, one_bytes), (two, two_bytes)) = (object("one"), object("two"));
        let kept = Kept::new(folder.path().to_owned());
        kept.put(FileType::Pack, &one, &one_bytes);
        kept.put(FileType::Pack, &two, &two_bytes);
        kept.put(FileType::Index, &two, &two_bytes);
        kept.only(FileType::Pack, &HashSet::from([one]));
        assert!(kept.get(FileType::Pack, &one).is_some());
        assert!(kept.get(FileType::Pack, &two).is_none());
        assert!(kept.get(FileType::Index, &two).is_some());
    }

    #[test]
    fn a_folder_that_cannot_be_used_keeps_nothing() {
        let (id, bytes) = object("x");
        let kept = Kept::new("/proc/nowhere/kept".into());
        kept.put(FileType::Index, &id, &bytes);
        assert_eq!(kept.get(FileType::Index, &id), None);
    }
}
