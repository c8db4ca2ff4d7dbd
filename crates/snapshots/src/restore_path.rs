//! Puts one file or folder of a snapshot back while the agent runs.
//!
//! It is laid, checked and dressed in a folder that is closed to the agent, and then renamed into its place in one step. The way there is
//! taken from the home a name at a time, through no link: an agent that turns a folder into a link meanwhile makes the order fail and nothing else.

use crate::beneath;
use crate::clock::now;
use crate::databases::{BESIDE, Place};
use crate::failure::{Failure, Outcome};
use crate::home_staging::HomeStaging;
use crate::lay::{Target, lay, renamed};
use crate::node::shown;
use crate::progress::Progress;
use crate::repository::{Access, Opened, snapshot};
use crate::stored::Stored;
use molt_common::snapshot::SnapshotId;
use rustic_core::repofile::Node;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

/// Name of what is laid.
const LAID: &str = "restored";
/// How often somebody may put something else in the place meanwhile.
const TRIES: usize = 5;
/// Bytes that a name may have.
const NAME_MAX: usize = 255;

/// What is put back.
pub struct RestorePath<'a> {
    /// The repository.
    pub access: &'a Access,
    /// The home.
    pub home: &'a Path,
    /// Owner of folders that are made on the way.
    pub owner: (u32, u32),
    /// Of which snapshot.
    pub snapshot: SnapshotId,
    /// Below the home.
    pub path: &'a Path,
    /// Where to, below the home.
    pub to: &'a Path,
}

fn invalid(path: &Path) -> Failure {
    Failure::lasting(format!("{} is no path below the home", shown(path)))
}

impl RestorePath<'_> {
    /// Puts it back. Returns how many paths were written, and where what was there before is kept, below the home.
    ///
    /// # Errors
    /// When the snapshot does not have it, when something of it is corrupt, or when the way to its place is not one of folders. Nothing was changed then.
    pub fn run(&self, progress: &Progress) -> Outcome<(u64, Option<String>)> {
        let Opened { repository, backend } = self.access.open_indexed()?;
        let root = snapshot(&repository, &backend, self.snapshot)?.tree;
        let stored = Stored {
            repository: &repository,
            backend: &backend,
        };
        let node = self.find(stored, stored.tree(&root)?.nodes)?;
        beneath::components(self.to).map_err(|_| invalid(self.to))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let home = rustix::fs::open(self.home, flags, Mode::empty())
            .map_err(|error| Failure::disk("opening", self.home, &error.into()))?;
        let staging = HomeStaging::make(&home, self.home)?;
        let target = Target {
            root: &staging.folder,
            name: &staging.path,
            owner: self.owner,
        };
        lay(stored, &[renamed(&node, OsStr::new(LAID))?], target, progress).and_then(|laid| {
            let full = staging.path.join(LAID);
            let place = Place {
                folder: &staging.folder,
                name: OsStr::new(LAID),
                path: &full,
            };
            let database = node.is_file() && place.is_database(node.meta.size);
            Ok((laid.paths, self.place(&staging.folder, &home, database)?))
        })
    }

    fn find(&self, stored: Stored<'_>, mut nodes: Vec<Node>) -> Outcome<Node> {
        let missing = || Failure::lasting(format!("the snapshot does not have {}", shown(self.path)));
        let names = beneath::components(self.path).map_err(|_| invalid(self.path))?;
        let (last, folders) = names.split_last().ok_or_else(missing)?;
        let named =
            |nodes: Vec<Node>, name: &OsStr| nodes.into_iter().find(|node| node.name() == name).ok_or_else(missing);
        for name in folders {
            let tree = named(nodes, name)?.subtree.ok_or_else(missing)?;
            nodes = stored.tree(&tree)?.nodes;
        }
        named(nodes, last)
    }

    /// The folder that it goes into; folders that are missing are made.
    fn folder(&self, home: &OwnedFd) -> Outcome<(OwnedFd, OsString)> {
        let failed = |error: Errno| match error {
            Errno::NOTDIR | Errno::LOOP => Failure::lasting(format!(
                "the way to {} leads through something that is no folder",
                shown(self.to)
            )),
            error => Failure::disk("opening the folder of", self.to, &error.into()),
        };
        let names = beneath::components(self.to).map_err(|_| invalid(self.to))?;
        let (last, folders) = names.split_last().ok_or_else(|| invalid(self.to))?;
        let mut open = home
            .try_clone()
            .map_err(|error| Failure::disk("opening", self.home, &error))?;
        for name in folders {
            let made = rustix::fs::mkdirat(&open, *name, Mode::from_raw_mode(0o755));
            let next = beneath::folder(&open, name).map_err(failed)?;
            if made.is_ok() {
                // The folder that is open, whatever lies under its name by now.
                let owner = (Some(Uid::from_raw(self.owner.0)), Some(Gid::from_raw(self.owner.1)));
                let _ = rustix::fs::chownat(&next, "", owner.0, owner.1, AtFlags::EMPTY_PATH);
            }
            open = next;
        }
        Ok((open, (*last).to_owned()))
    }

    fn place(&self, staged: &OwnedFd, home: &OwnedFd, database: bool) -> Outcome<Option<String>> {
        let (folder, name) = self.folder(home)?;
        let failed = |error: Errno| match error {
            Errno::XDEV => Failure::lasting(format!("{} lies on another disk than the home", shown(self.to))),
            error => Failure::disk("putting back", self.to, &error.into()),
        };
        let mut kept = None;
        for _ in 0..TRIES {
            let aside = kept_name(&name);
            match rustix::fs::renameat_with(&folder, &name, &folder, &aside, RenameFlags::NOREPLACE) {
                Ok(()) => kept = Some(aside.clone()),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(failed(error)),
            }
            if database {
                // A journal of the one before would be played into this one. It goes where its database went.
                for ending in BESIDE {
                    let beside = |name: &OsStr| [name.as_bytes(), ending.as_bytes()].concat();
                    let (from, to) = (OsString::from_vec(beside(&name)), OsString::from_vec(beside(&aside)));
                    match rustix::fs::renameat_with(&folder, from, &folder, to, RenameFlags::NOREPLACE) {
                        Ok(()) | Err(Errno::NOENT) => {}
                        Err(error) => return Err(failed(error)),
                    }
                }
            }
            match rustix::fs::renameat_with(staged, LAID, &folder, &name, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(kept.map(|kept| shown(&self.to.with_file_name(kept)))),
                // Somebody was quicker: that is kept as well.
                Err(Errno::EXIST) => {}
                Err(error) => {
                    if let Some(kept) = kept {
                        let _ = rustix::fs::renameat_with(&folder, kept, &folder, &name, RenameFlags::NOREPLACE);
                    }
                    return Err(failed(error));
                }
            }
        }
        Err(Failure::passing(format!(
            "something else is put in the place of {} again and again",
            shown(self.to)
        )))
    }
}

/// `notes.md.before-restore-20260131T120000000Z`: a name of its own to the millisecond, cut where it would be too long.
fn kept_name(name: &OsStr) -> OsString {
    let time: String = now().iso().chars().filter(char::is_ascii_alphanumeric).collect();
    let ending = format!(".before-restore-{time}");
    let room = NAME_MAX.saturating_sub(ending.len() + "-journal".len());
    let mut kept: Vec<u8> = name.as_bytes().iter().copied().take(room).collect();
    kept.extend_from_slice(ending.as_bytes());
    OsString::from_vec(kept)
}
