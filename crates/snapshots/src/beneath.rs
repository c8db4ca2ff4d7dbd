//! Opening below an open folder, a name at a time, through no link and never upwards: the agent may turn any folder into a link at any moment.

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path};

/// The names of a relative path.
///
/// # Errors
/// `EINVAL` when it is absolute, leads upwards or is empty.
pub fn components(path: &Path) -> Result<Vec<&OsStr>, Errno> {
    let names: Vec<_> = path
        .components()
        .map(|component| match component {
            Component::Normal(name) => Ok(name),
            _ => Err(Errno::INVAL),
        })
        .collect::<Result<_, _>>()?;
    if names.is_empty() { Err(Errno::INVAL) } else { Ok(names) }
}

/// A folder by its name in another one.
///
/// # Errors
/// `ENOTDIR` or `ELOOP` when it is something else.
pub fn folder(parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(
        parent,
        name,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// The folder that holds the last name of `path`, and that name.
///
/// # Errors
/// As [`components`] and [`folder`].
pub fn parent(root: &OwnedFd, path: &Path) -> Result<(OwnedFd, OsString), Errno> {
    let names = components(path)?;
    let (last, folders) = names.split_last().ok_or(Errno::INVAL)?;
    let mut open = root.as_fd().try_clone_to_owned().map_err(|_| Errno::MFILE)?;
    for name in folders {
        open = folder(&open, name)?;
    }
    Ok((open, (*last).to_owned()))
}
