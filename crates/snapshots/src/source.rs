//! The home as rustic_core reads it: our own walk, because the agent changes it meanwhile and would lead a walk by paths elsewhere. Every step is taken from
//! an open folder by a name, through no link.
//!
//! Paths are relative to the home: the root of a snapshot's tree is the home itself, so that a snapshot says nothing about where the home lay.

use crate::databases::{self, BESIDE, Place, version};
use crate::findings::Findings;
use crate::node::{self, ctime, mtime};
use crate::policy;
use crate::reader::{Open, Staged, open_regular, wait_for_next_tick, was_written_to};
use crate::seen::{Seen, SeenDatabases};
use crate::unread::Unread;
use rustic_core::repofile::{Node, NodeType};
use rustic_core::{ReadSource, ReadSourceEntry, RusticResult};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How often a file is copied that is written to meanwhile.
const COPIED_AT_MOST: usize = 3;
/// Numbers the copies.
static COPIES: AtomicU64 = AtomicU64::new(0);

/// The home.
#[derive(Debug)]
pub struct HomeSource {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    home: PathBuf,
    root: Arc<OwnedFd>,
    device: u64,
    staging: PathBuf,
    /// Files that are copied before they are read.
    copy_first: BTreeSet<PathBuf>,
    seen: Mutex<SeenDatabases>,
    findings: Arc<Findings>,
}

/// Opens a folder by its name in another one.
pub fn open_folder(folder: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

/// Names in a folder, in the order of their bytes, which is that of restic's trees.
pub fn names(folder: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            found.push(OsString::from_vec(name));
        }
    }
    found.sort_unstable();
    Ok(found)
}

impl HomeSource {
    /// `home` is an absolute path through no link; copies are laid into `staging`.
    ///
    /// # Errors
    /// When the home cannot be opened.
    pub fn new(
        home: &Path,
        staging: &Path,
        copy_first: BTreeSet<PathBuf>,
        seen: SeenDatabases,
        findings: Arc<Findings>,
    ) -> std::io::Result<Self> {
        let root = rustix::fs::open(
            home,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let device = rustix::fs::fstat(&root)?.st_dev;
        let shared = Shared {
            home: home.to_owned(),
            root: Arc::new(root),
            device,
            staging: staging.to_owned(),
            copy_first,
            seen: Mutex::new(seen),
            findings,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// What was seen of databases.
    pub fn into_seen(self) -> SeenDatabases {
        std::mem::take(&mut *self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ReadSource for HomeSource {
    type Open = Open;
    type Iter = Walk;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Walk {
        let mut walk = Walk {
            shared: self.shared.clone(),
            folders: Vec::new(),
        };
        walk.enter(self.shared.root.clone(), PathBuf::new());
        walk
    }
}

#[derive(Debug)]
struct Folder {
    open: Arc<OwnedFd>,
    path: PathBuf,
    names: std::vec::IntoIter<OsString>,
    /// Names of journals of databases that stand in the snapshot as copies, with their endings.
    left_out: HashMap<OsString, &'static str>,
}

/// A walk through the home, folder before content, names in order.
#[derive(Debug)]
pub struct Walk {
    shared: Arc<Shared>,
    folders: Vec<Folder>,
}

type Entry = ReadSourceEntry<Open>;

impl Walk {
    fn enter(&mut self, open: Arc<OwnedFd>, path: PathBuf) {
        let names = names(&open).unwrap_or_else(|error| {
            self.shared.findings.unreadable(&path, &format!("this folder: {error}"));
            Vec::new()
        });
        self.folders.push(Folder {
            open,
            path,
            names: names.into_iter(),
            left_out: HashMap::new(),
        });
    }

    /// The entry of a name; `None` where there is nothing to save.
    fn entry(&mut self, folder: &Arc<OwnedFd>, name: &OsStr, path: PathBuf) -> Option<Entry> {
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return None,
            Err(error) => {
                self.shared.findings.unreadable(&path, &error.to_string());
                return None;
            }
        };
        let plain = |kind: NodeType| node::node(folder.as_fd(), name, &stat, kind);
        let node = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return self.folder(folder, name, path),
            FileType::RegularFile => return Some(self.file(folder, name, path, &stat)),
            FileType::Symlink => match rustix::fs::readlinkat(folder, name, Vec::new()) {
                Ok(target) => plain(NodeType::from_link(Path::new(OsStr::from_bytes(target.as_bytes())))),
                Err(_) => return None,
            },
            FileType::Fifo => plain(NodeType::Fifo),
            FileType::CharacterDevice => plain(NodeType::Chardev { device: stat.st_rdev }),
            FileType::BlockDevice => plain(NodeType::Dev { device: stat.st_rdev }),
            // A socket means nothing without whoever listened at it; restic leaves it out as well.
            _ => return None,
        };
        Some(Entry { path, node, open: None })
    }

    fn folder(&mut self, folder: &Arc<OwnedFd>, name: &OsStr, path: PathBuf) -> Option<Entry> {
        if policy::left_out(&path) {
            return None;
        }
        let opened = match open_folder(folder, name) {
            Ok(opened) => Arc::new(opened),
            // Something else by now.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return None,
            Err(error) => {
                self.shared.findings.unreadable(&path, &error.to_string());
                return None;
            }
        };
        let stat = rustix::fs::fstat(&opened).ok()?;
        let node = node::node(folder.as_fd(), name, &stat, NodeType::Dir);
        if stat.st_dev == self.shared.device {
            self.enter(opened, path.clone());
        } else {
            self.shared
                .findings
                .unreadable(&path, "another file system is mounted here");
        }
        Some(Entry { path, node, open: None })
    }

    fn file(&mut self, folder: &Arc<OwnedFd>, name: &OsStr, path: PathBuf, stat: &Stat) -> Entry {
        let mut node = node::node(folder.as_fd(), name, stat, NodeType::File);
        let findings = self.shared.findings.clone();
        findings.files.fetch_add(1, Ordering::Relaxed);
        let full = self.shared.home.join(&path);
        let place = Place {
            folder,
            name,
            path: &full,
        };
        let database = place.is_database(node.meta.size);
        let open = if database && let Some(open) = self.database(place, &path, &mut node) {
            if let Some(folder) = self.folders.last_mut() {
                folder
                    .left_out
                    .extend(BESIDE.map(|ending| (place.beside(ending), ending)));
            }
            open
        } else if self.shared.copy_first.contains(&path)
            && let Some(copy) = self.copy_of_unsteady(place, &path, &mut node)
        {
            Open::Copy {
                unread: Unread::new(copy.size, findings.clone()),
                copy,
                path: path.clone(),
                findings: findings.clone(),
            }
        } else {
            Open::Live {
                folder: folder.clone(),
                name: name.to_owned(),
                path: path.clone(),
                unread: Unread::new(node.meta.size, findings.clone()),
                changed: node.meta.ctime,
                met: version(stat),
                findings,
            }
        };
        Entry {
            path,
            node,
            open: Some(open),
        }
    }

    fn next_copy(&self) -> PathBuf {
        self.shared
            .staging
            .join(COPIES.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// What stands for a database. `None`: its bytes are taken as they lie there, which is told.
    fn database(&self, place: Place<'_>, path: &Path, node: &mut Node) -> Option<Open> {
        let findings = &self.shared.findings;
        let versions = place.versions();
        // It changed when its journal was written to.
        if let Some(journal) = place.stat("-wal") {
            node.meta.mtime = node.meta.mtime.max(mtime(&journal));
            node.meta.atime = node.meta.mtime;
            node.meta.ctime = node.meta.ctime.max(mtime(&journal));
        }
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(size) = seen
            .unchanged(path, &versions)
            .filter(|_| !self.shared.copy_first.contains(path))
        {
            seen.keep(path, Seen { versions, size });
            findings.databases.fetch_add(1, Ordering::Relaxed);
            node.meta.size = size;
            return Some(Open::Skipped {
                _unread: Unread::new(size, findings.clone()),
                path: path.to_owned(),
                findings: findings.clone(),
            });
        }
        match databases::copy(place, node.meta.ctime, self.next_copy(), &findings.steps) {
            Ok(copy) => {
                seen.keep(
                    path,
                    Seen {
                        versions,
                        size: copy.size,
                    },
                );
                findings.databases.fetch_add(1, Ordering::Relaxed);
                node.meta.size = copy.size;
                Some(Open::Copy {
                    unread: Unread::new(copy.size, findings.clone()),
                    copy,
                    path: path.to_owned(),
                    findings: findings.clone(),
                })
            }
            Err(why) => {
                findings.unreadable(path, &format!("saved byte for byte, not as a database: {why}"));
                None
            }
        }
    }

    /// A file that changed while it was read, copied so that its entry says what its bytes are.
    fn copy_of_unsteady(&self, place: Place<'_>, path: &Path, node: &mut Node) -> Option<Staged> {
        let mut copy = Staged {
            file: self.next_copy(),
            size: 0,
        };
        for attempt in 1..=COPIED_AT_MOST {
            let (mut file, stat) = open_regular(place.folder, place.name).ok()?;
            wait_for_next_tick(ctime(&stat));
            let (size, steps) = (u64::try_from(stat.st_size).ok()?, &self.shared.findings.steps);
            copy.size = databases::copy_file(&mut file, size, &copy.file, steps).ok()?;
            let after = rustix::fs::fstat(&file).ok()?;
            let copied = version(&stat);
            if was_written_to(copied, &after) {
                if attempt < COPIED_AT_MOST {
                    continue;
                }
                // What grows each time is a log, of which a beginning is whole.
                if after.st_size <= stat.st_size {
                    self.shared.findings.unsteady(path);
                }
            }
            node.meta.size = copy.size;
            node.meta.inode = copied.0;
            node.meta.mtime = mtime(&stat);
            node.meta.atime = mtime(&stat);
            node.meta.ctime = ctime(&stat);
            break;
        }
        Some(copy)
    }
}

impl Iterator for Walk {
    type Item = RusticResult<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let folder = self.folders.last_mut()?;
            let Some(name) = folder.names.next() else {
                self.folders.pop();
                continue;
            };
            if let Some(ending) = folder.left_out.get(&name)
                && databases::is_beside(&folder.open, &name, ending)
            {
                continue;
            }
            let (open, path) = (folder.open.clone(), folder.path.join(&name));
            if let Some(entry) = self.entry(&open, &name, path) {
                return Some(Ok(entry));
            }
        }
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
