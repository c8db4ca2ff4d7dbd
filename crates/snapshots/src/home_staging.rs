//! A folder of the supervisor's own inside the home, on the same disk as what is put there by a rename. The agent, who owns the home, may rename it and no more:
//! it is closed to him, and everything in it is done through the open folder, whatever its name has become.

use crate::failure::{Failure, Outcome};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Its name, which no snapshot holds.
pub const NAME: &str = ".molt-restoring";

/// The folder, while something is laid in it.
pub struct HomeStaging {
    /// The open folder.
    pub folder: OwnedFd,
    /// Where it was made.
    pub path: PathBuf,
}

impl HomeStaging {
    /// Makes it anew: what an order that was cut off left is gone.
    ///
    /// # Errors
    /// When it cannot be made, or when somebody puts another folder in its place.
    pub fn make(home: &OwnedFd, path: &Path) -> Outcome<Self> {
        let path = path.join(NAME);
        remove(&path).map_err(|error| Failure::disk("emptying", &path, &error))?;
        let failed = |error: rustix::io::Errno| Failure::disk("making", &path, &error.into());
        rustix::fs::mkdirat(home, NAME, Mode::RWXU).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(home, NAME, flags, Mode::empty()).map_err(failed)?;
        let told = rustix::fs::fstat(&folder).map_err(failed)?;
        let own = told.st_uid == rustix::process::geteuid().as_raw() && told.st_mode & 0o777 == 0o700;
        if !own {
            return Err(Failure::passing(format!(
                "{} is not what was just made",
                path.display()
            )));
        }
        Ok(Self { folder, path })
    }
}

impl Drop for HomeStaging {
    fn drop(&mut self) {
        // What stays is closed to everybody, in no snapshot, and gone with the next order.
        let _ = remove(&self.path);
    }
}

/// Removes what is there, following no link.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(told) if told.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
