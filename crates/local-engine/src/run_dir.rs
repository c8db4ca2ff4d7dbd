//! The engine's own directory: one engine at a time, nothing for anybody else to see.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

/// A run directory that is ours for as long as this exists.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _lock: Flock<std::fs::File>,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// Another engine lives there.
    #[error("another engine uses the run directory {0}")]
    Taken(PathBuf),
    /// It cannot be made or opened.
    #[error("cannot use the run directory {path}: {error}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl RunDir {
    /// Makes the directory if need be, closes it to other users and takes it.
    pub fn open(path: &Path) -> Result<Self, RunDirError> {
        let fault = |error| RunDirError::Io {
            path: path.to_owned(),
            error,
        };
        std::fs::create_dir_all(path).map_err(fault)?;
        let path = path.canonicalize().map_err(fault)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).map_err(fault)?;
        let file = std::fs::File::create(path.join("lock")).map_err(fault)?;
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Err(RunDirError::Taken(path)),
            Err((_, error)) => return Err(fault(error.into())),
        };
        let directory = Self { path, _lock: lock };
        for part in [directory.containers(), directory.logs()] {
            std::fs::create_dir_all(part).map_err(fault)?;
        }
        Ok(directory)
    }

    /// Where the files of the containers are, a directory for each.
    pub fn containers(&self) -> PathBuf {
        self.path.join("containers")
    }

    /// Where the output of the containers is, a file for each.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// A short name that differs between run directories and stays the same for one.
    pub fn instance(&self) -> String {
        self.digest().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same as a number.
    pub fn number(&self) -> u32 {
        self.digest()
            .iter()
            .take(4)
            .fold(0, |number, byte| number << 8 | u32::from(*byte))
    }

    fn digest(&self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt;
        Sha256::digest(self.path.as_os_str().as_bytes()).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_engine_at_a_time_uses_a_directory_and_it_is_closed_to_others() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let first = RunDir::open(&path).unwrap();
        assert!(matches!(RunDir::open(&path), Err(RunDirError::Taken(_))));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let instance = first.instance();
        drop(first);
        assert_eq!(RunDir::open(&path).unwrap().instance(), instance);
        assert_ne!(RunDir::open(&parent.path().join("other")).unwrap().instance(), instance);
    }
}
