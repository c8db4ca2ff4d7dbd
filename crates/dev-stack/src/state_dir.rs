//! The state folder of one stack: its layout, its mode and the lock that keeps it to one stack at a time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Longest path of a Unix socket is 107 bytes; the engine's own come below its run folder.
const LONGEST_SOCKET_PATH: usize = 100;

/// A state folder that this process holds.
#[derive(Debug)]
pub struct StateDir {
    root: PathBuf,
    _lock: Flock<File>,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Another stack runs on it.
    #[error("a stack runs on {path} already (process {owner}); stop it, or choose another --state-dir")]
    Busy {
        /// The folder.
        path: PathBuf,
        /// Process id of the other stack, or `unknown`.
        owner: String,
    },
    /// The path is too long for the engine's socket.
    #[error("the path {0} is too long for a socket in it; choose a shorter --state-dir")]
    TooLong(PathBuf),
    /// It cannot be made, opened or locked.
    #[error("{path}: {error}")]
    Io {
        /// The folder or a file in it.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl StateDir {
    /// Makes the folder with mode 0700 where it is missing, and locks it until this value is dropped or the process ends.
    ///
    /// # Errors
    /// See [`StateDirError`].
    pub fn open(path: &Path) -> Result<Self, StateDirError> {
        let failed = |path: &Path, error| StateDirError::Io {
            path: path.to_owned(),
            error,
        };
        make_private(path).map_err(|error| failed(path, error))?;
        let root = path.canonicalize().map_err(|error| failed(path, error))?;
        let lock_file = root.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&lock_file)
            .map_err(|error| failed(&lock_file, error))?;
        let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(mut file, errno)| match errno {
            Errno::EWOULDBLOCK => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                let owner = if owner.trim().is_empty() {
                    "unknown".to_owned()
                } else {
                    owner.trim().to_owned()
                };
                StateDirError::Busy {
                    path: root.clone(),
                    owner,
                }
            }
            errno => failed(&lock_file, errno.into()),
        })?;
        let write_owner = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write_owner(&mut lock).map_err(|error| failed(&lock_file, error))?;
        let state = Self { root, _lock: lock };
        if state.engine_socket().as_os_str().len() > LONGEST_SOCKET_PATH {
            return Err(StateDirError::TooLong(state.root));
        }
        state.prepare()?;
        Ok(state)
    }

    /// What belongs to one run is made anew; what a killed stack left of it goes.
    fn prepare(&self) -> Result<(), StateDirError> {
        for folder in [self.run(), self.registry(), self.temporary()] {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StateDirError::Io { path: folder, error });
                }
                _ => {}
            }
        }
        let folders = [
            self.run(),
            self.registry(),
            self.temporary(),
            self.logs(),
            self.workers(),
            self.home(),
            self.wrangler(),
        ];
        for folder in folders {
            make_private(&folder).map_err(|error| StateDirError::Io { path: folder, error })?;
        }
        Ok(())
    }

    /// The folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The stack's secrets.
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets.json")
    }

    /// Logs of the programs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Sockets, process ids and the engine's working files of this run.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Socket of the container engine.
    pub fn engine_socket(&self) -> PathBuf {
        self.run().join("engine.sock")
    }

    /// Where the `wrangler dev` processes of this run find each other.
    pub fn registry(&self) -> PathBuf {
        self.root.join("registry")
    }

    /// Temporary files of the programs.
    pub fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Durable Objects, KV, R2 and D1.
    pub fn workers(&self) -> PathBuf {
        self.root.join("workers")
    }

    /// `HOME` of wrangler, so that a person's own settings and log-in play no part.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Configurations that wrangler runs with.
    pub fn wrangler(&self) -> PathBuf {
        self.root.join("wrangler")
    }
}

/// Makes a folder that only its owner may enter, with its parents; one that exists gets that mode.
///
/// # Errors
/// When it cannot be made or belongs to somebody else.
pub fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stack_at_a_time_and_the_folder_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let held = StateDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        match StateDir::open(&path) {
            Err(StateDirError::Busy { owner, .. }) => assert_eq!(owner, std::process::id().to_string()),
            other => panic!("{other:?}"),
        }
        drop(held);
        StateDir::open(&path).unwrap();
    }

    #[test]
    fn state_survives_and_what_belongs_to_a_run_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        fs::write(state.workers().join("kept"), "").unwrap();
        fs::write(state.run().join("stale.pid"), "").unwrap();
        drop(state);
        let state = StateDir::open(folder.path()).unwrap();
        assert!(state.workers().join("kept").exists());
        assert!(!state.run().join("stale.pid").exists());
    }

    #[test]
    fn a_path_that_no_socket_fits_in_is_refused_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(100));
        assert!(matches!(StateDir::open(&path), Err(StateDirError::TooLong(_))));
    }
}
