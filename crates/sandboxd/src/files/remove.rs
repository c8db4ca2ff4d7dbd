//! Removing what is at a path; never what a link leads to.

use std::os::fd::OwnedFd;

use molt_common::control::files::FileKind;
use molt_common::home_path::HomePath;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::error::FileError;
use super::home::{self, Home};

/// Folders in folders are followed so deep: each holds a descriptor.
pub const DEEPEST: u32 = 256;

/// Removes a file, a link, or a folder: an empty one, or with `recursive` one with everything in it.
pub fn remove(home: &Home, path: &HomePath, recursive: bool) -> Result<(), FileError> {
    if path.is_home() {
        return Err(FileError::Invalid("path: the home itself cannot be removed".to_owned()));
    }
    let (folder, name) = home.folder_of(path)?;
    let about = home::about(&folder, name)?;
    if home::kind(&about) != FileKind::Folder {
        return Ok(unlinkat(&folder, name, AtFlags::empty())?);
    }
    if recursive {
        empty(&folder, name, 0)?;
    }
    Ok(unlinkat(&folder, name, AtFlags::REMOVEDIR)?)
}

fn empty(parent: &OwnedFd, name: &[u8], depth: u32) -> Result<(), FileError> {
    if depth >= DEEPEST {
        return Err(FileError::TooDeep);
    }
    // A link that took the folder's place meanwhile is not followed.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(parent, name, flags, Mode::empty())?;
    for found in Dir::read_from(&folder)? {
        let found = found?;
        let name = found.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        match unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => {
                empty(&folder, name, depth + 1)?;
                match unlinkat(&folder, name, AtFlags::REMOVEDIR) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
