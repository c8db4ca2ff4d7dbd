//! Lays files into the home, below its open folder and through no link, and gives each to the agent.

use super::name;
use crate::beneath;
use crate::failure::{Failure, Outcome};
use crate::progress::Progress;
use molt_common::legacy_data::{ImportReport, Leaving, symlink};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

const PIECE: usize = 256 * 1024;
/// Of a folder that nothing describes.
const FOLDER_MODE: u32 = 0o755;

/// What a file is given.
#[derive(Clone, Copy)]
pub struct About {
    /// Bits of Unix.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: u64,
}

/// Why something was not laid.
pub enum NotLaid {
    /// It is refused, and the rest goes on.
    Refused(String),
    /// Its source cannot be read.
    Source(io::Error),
    /// The disk failed.
    Disk(Failure),
}

impl From<Failure> for NotLaid {
    fn from(failure: Failure) -> Self {
        Self::Disk(failure)
    }
}

/// What is laid so far.
pub struct Laying<'a> {
    /// The open home.
    pub root: &'a OwnedFd,
    /// Its name.
    pub name: &'a Path,
    owner: (u32, u32),
    progress: &'a Progress,
    /// What it comes to.
    pub report: ImportReport,
    folders: BTreeMap<PathBuf, About>,
}

impl<'a> Laying<'a> {
    /// Nothing yet.
    pub fn new(root: &'a OwnedFd, name: &'a Path, owner: (u32, u32), progress: &'a Progress) -> Self {
        Self {
            root,
            name,
            owner,
            progress,
            report: ImportReport::default(),
            folders: BTreeMap::new(),
        }
    }

    /// Notes that something is not taken over.
    pub fn refuse(&mut self, path: &[u8], why: &str) {
        self.report.refused_count += 1;
        name(&mut self.report.refused, path, why);
    }

    fn failed(&self, doing: &str, path: &Path, error: Errno) -> NotLaid {
        match error {
            Errno::NOTDIR | Errno::LOOP => NotLaid::Refused("it leads through what is no folder".into()),
            Errno::NAMETOOLONG | Errno::ILSEQ => NotLaid::Refused("the disk does not take its name".into()),
            error => NotLaid::Disk(Failure::disk(doing, &self.name.join(path), &error.into())),
        }
    }

    /// The folder of a path, made where it is missing, and the last name.
    fn locate(&mut self, path: &Path) -> Result<(OwnedFd, OsString), NotLaid> {
        match beneath::parent(self.root, path) {
            Err(Errno::NOENT) => {
                if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                    let parent = parent.to_owned();
                    self.folder(&parent, None)?;
                }
                beneath::parent(self.root, path)
            }
            found => found,
        }
        .map_err(|error| self.failed("opening", path, error))
    }

    /// A folder; without `about` one that something lies in and that nothing has described yet.
    pub fn folder(&mut self, path: &Path, about: Option<About>) -> Result<(), NotLaid> {
        let (parent, name) = self.locate(path)?;
        match rustix::fs::mkdirat(&parent, &name, Mode::RWXU) {
            Ok(()) => {
                self.report.folders += 1;
                self.give(&parent, &name, path)?;
            }
            Err(Errno::EXIST) => {
                let known = rustix::fs::statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|error| self.failed("looking at", path, error))?;
                if FileType::from_raw_mode(known.st_mode) != FileType::Directory {
                    return Err(NotLaid::Refused("something else is there already".into()));
                }
            }
            Err(error) => return Err(self.failed("making", path, error)),
        }
        if let Some(about) = about {
            self.folders.insert(path.to_owned(), about);
        }
        Ok(())
    }

    /// A regular file of what `source` gives until its end.
    pub fn file(&mut self, path: &Path, about: About, source: &mut impl Read) -> Result<u64, NotLaid> {
        let (folder, name) = self.free(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&folder, &name, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(made.map_err(|error| self.failed("making", path, error))?);
        let mut piece = vec![0; PIECE];
        let mut size = 0;
        loop {
            let read = match source.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(NotLaid::Source(error)),
            };
            let bytes = piece.get(..read).unwrap_or_default();
            file.write_all(bytes)
                .map_err(|error| Failure::disk("writing", &self.name.join(path), &error))?;
            size += read as u64;
            self.progress.add_bytes(read as u64);
        }
        self.give(&folder, &name, path)?;
        // The old agent was root, whom no mode kept out; ours is the owner.
        let mode = Mode::from_raw_mode((about.mode & 0o777) | 0o600);
        rustix::fs::fchmod(&file, mode).map_err(|error| self.failed("setting the mode of", path, error))?;
        rustix::fs::futimens(&file, &times(about.mtime))
            .map_err(|error| self.failed("setting the times of", path, error))?;
        self.report.files += 1;
        self.report.bytes += size;
        Ok(size)
    }

    /// A symbolic link, whose target is brought to the new home.
    pub fn symlink(&mut self, path: &Path, target: &[u8]) -> Result<(), NotLaid> {
        let home = self.name.to_string_lossy().into_owned();
        let Leaving::Within(target) = symlink(path.as_os_str().as_bytes(), target, &home) else {
            let target = String::from_utf8_lossy(target);
            return Err(NotLaid::Refused(format!(
                "it is a link out of the home, to {}",
                target.escape_debug()
            )));
        };
        if target.is_empty() {
            return Err(NotLaid::Refused("it is a link to nothing".into()));
        }
        let (folder, name) = self.free(path)?;
        rustix::fs::symlinkat(OsStr::from_bytes(&target), &folder, &name)
            .map_err(|error| self.failed("making", path, error))?;
        self.give(&folder, &name, path)?;
        self.report.links += 1;
        Ok(())
    }

    /// Another name of a file that is laid already.
    pub fn hard_link(&mut self, path: &Path, first: &Path) -> Result<(), NotLaid> {
        let gone = |_| NotLaid::Refused("it is another name of a file that is not there".into());
        let (other, other_name) = beneath::parent(self.root, first).map_err(gone)?;
        let known = rustix::fs::statat(&other, &other_name, AtFlags::SYMLINK_NOFOLLOW).map_err(gone)?;
        if FileType::from_raw_mode(known.st_mode) != FileType::RegularFile {
            return Err(NotLaid::Refused("it is another name of what is no file".into()));
        }
        if path == first {
            return Ok(());
        }
        let (folder, name) = self.free(path)?;
        rustix::fs::linkat(&other, &other_name, &folder, &name, AtFlags::empty())
            .map_err(|error| self.failed("linking", path, error))?;
        self.report.links += 1;
        Ok(())
    }

    /// A place at which nothing is: an archive may name a file twice, and the later one counts.
    fn free(&mut self, path: &Path) -> Result<(OwnedFd, OsString), NotLaid> {
        let (folder, name) = self.locate(path)?;
        let known = match rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(known) => known,
            Err(Errno::NOENT) => return Ok((folder, name)),
            Err(error) => return Err(self.failed("looking at", path, error)),
        };
        match FileType::from_raw_mode(known.st_mode) {
            FileType::Directory => return Err(NotLaid::Refused("a folder is there already".into())),
            FileType::RegularFile if known.st_nlink == 1 => {
                self.report.files -= 1;
                self.report.bytes -= u64::try_from(known.st_size).unwrap_or_default();
            }
            _ => self.report.links = self.report.links.saturating_sub(1),
        }
        rustix::fs::unlinkat(&folder, &name, AtFlags::empty())
            .map_err(|error| self.failed("replacing", path, error))?;
        Ok((folder, name))
    }

    fn give(&self, folder: &OwnedFd, name: &OsStr, path: &Path) -> Result<(), NotLaid> {
        let (user, group) = (Uid::from_raw(self.owner.0), Gid::from_raw(self.owner.1));
        let given = rustix::fs::chownat(folder, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW);
        match given {
            // Only root gives files away; whoever is not root makes them his own.
            Err(Errno::PERM) if !rustix::process::geteuid().is_root() => Ok(()),
            given => given.map_err(|error| self.failed("giving away", path, error)),
        }
    }

    /// Modes and times of folders, after what was laid into them.
    pub fn finish(self) -> Outcome<ImportReport> {
        for (path, about) in self.folders.iter().rev() {
            let failed =
                |error: Errno| Failure::disk("setting mode and times of", &self.name.join(path), &error.into());
            let (folder, name) = beneath::parent(self.root, path).map_err(failed)?;
            let mode = Mode::from_raw_mode((about.mode & 0o777) | 0o700);
            rustix::fs::chmodat(&folder, &name, mode, AtFlags::empty()).map_err(failed)?;
            rustix::fs::utimensat(&folder, &name, &times(about.mtime), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        }
        Ok(self.report)
    }
}

impl About {
    /// Of a folder that only follows from a file in it.
    pub const fn of_folder(mtime: u64) -> Self {
        Self {
            mode: FOLDER_MODE,
            mtime,
        }
    }
}

fn times(seconds: u64) -> Timestamps {
    let time = Timespec {
        tv_sec: i64::try_from(seconds).unwrap_or_default(),
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
