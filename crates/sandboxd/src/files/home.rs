//! The agent's home, and paths below it as the kernel resolves them (openat2(2)): no link, no `..` and no exchange in the middle of it leads out.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use molt_common::control::files::FileKind;
use molt_common::home_path::HomePath;
use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::error::FileError;

/// Links are followed where they stay below; those of /proc, which lead anywhere, never are.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
/// The kernel gives up on a path with `..` in a link while something is renamed; it is asked again this often.
const TRIES: u32 = 64;

/// The home.
pub struct Home(OwnedFd);

impl Home {
    /// Opens the folder. Only root can exchange it.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(fs::open(path, flags, Mode::empty())?))
    }

    /// What a path leads to, not opened: nothing happens to a pipe or a device.
    pub fn look(&self, path: &HomePath) -> Result<OwnedFd, FileError> {
        self.resolve(&path.to_bytes(), OFlags::PATH)
    }

    /// A folder whose entries can be read.
    pub fn folder(&self, path: &HomePath) -> Result<OwnedFd, FileError> {
        self.resolve(&path.to_bytes(), OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The folder that something is in, to act on a name in it.
    pub fn folder_of<'a>(&self, path: &'a HomePath) -> Result<(OwnedFd, &'a [u8]), FileError> {
        let name = path.names().next_back().ok_or(FileError::IsAFolder)?;
        let (folder, _) = path.split().ok_or(FileError::IsAFolder)?;
        let folder = self.resolve(&folder.to_bytes(), OFlags::PATH | OFlags::DIRECTORY)?;
        Ok((folder, name))
    }

    /// The same; folders that are missing are made.
    pub fn make_folder_of<'a>(&self, path: &'a HomePath) -> Result<(OwnedFd, &'a [u8]), FileError> {
        match self.folder_of(path) {
            Err(FileError::NotFound) => {}
            found => return found,
        }
        let names: Vec<&[u8]> = path.names().collect();
        let (name, folders) = names.split_last().ok_or(FileError::IsAFolder)?;
        let mut at = self.resolve(b".", OFlags::PATH | OFlags::DIRECTORY)?;
        for (depth, folder) in folders.iter().enumerate() {
            let way = folders[..=depth].join(&b'/');
            let open = || self.resolve(&way, OFlags::PATH | OFlags::DIRECTORY);
            at = match open() {
                Err(FileError::NotFound) => {
                    match fs::mkdirat(&at, *folder, Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    open()?
                }
                found => found?,
            };
        }
        Ok((at, name))
    }

    fn resolve(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, FileError> {
        let mut last = Errno::AGAIN;
        for _ in 0..TRIES {
            match fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), BENEATH) {
                Err(Errno::AGAIN) => last = Errno::AGAIN,
                Err(error) => return Err(error.into()),
                Ok(found) => return Ok(found),
            }
        }
        Err(last.into())
    }
}

/// Opens for reading what was looked at, and that alone: a regular file.
pub fn read(found: &OwnedFd) -> Result<(File, Stat), FileError> {
    let about = fs::fstat(found)?;
    match kind(&about) {
        FileKind::File => {}
        FileKind::Folder => return Err(FileError::IsAFolder),
        FileKind::Link | FileKind::Other => return Err(FileError::NotAFile),
    }
    // The one way to open what a descriptor stands for; the agent has no part in it.
    let way = format!("/proc/self/fd/{}", found.as_fd().as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok((File::from(fs::open(way, flags, Mode::empty())?), about))
}

/// What a name in a folder is; a link itself.
pub fn about(folder: impl AsFd, name: &[u8]) -> Result<Stat, Errno> {
    fs::statat(folder, name, fs::AtFlags::SYMLINK_NOFOLLOW)
}

/// What it is.
pub fn kind(about: &Stat) -> FileKind {
    match FileType::from_raw_mode(about.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Folder,
        FileType::Symlink => FileKind::Link,
        _ => FileKind::Other,
    }
}

/// Version of a file: another one after each change of its bytes that the clock of the disk can tell apart, and for another file.
pub fn etag(about: &Stat) -> String {
    format!(
        "\"{:x}.{:x}-{:x}-{:x}\"",
        about.st_mtime, about.st_mtime_nsec, about.st_size, about.st_ino
    )
}

/// Bytes.
pub fn size(about: &Stat) -> u64 {
    u64::try_from(about.st_size).unwrap_or(0)
}
