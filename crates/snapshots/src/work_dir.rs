//! The supervisor's own folder.

use crate::failure::{Failure, Outcome};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The supervisor's own folder: on the same disk as the home, closed to the agent.
pub struct WorkDir(PathBuf);

impl WorkDir {
    /// Makes it, closed to everybody else.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(path: &Path) -> Outcome<Self> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)))
            .map_err(|error| Failure::disk("making", path, &error))?;
        Ok(Self(path.to_owned()))
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// An empty folder for copies: what an order that was cut off left in it is gone.
    ///
    /// # Errors
    /// When it cannot be emptied or made.
    pub fn empty_staging(&self) -> Outcome<PathBuf> {
        let staging = self.0.join("staging");
        match std::fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::disk("emptying", &staging, &error));
            }
            _ => {}
        }
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&staging)
            .map_err(|error| Failure::disk("making", &staging, &error))?;
        Ok(staging)
    }
}
