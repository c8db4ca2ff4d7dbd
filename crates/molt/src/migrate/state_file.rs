//! What is kept between runs, so that a migration that was interrupted goes on where it was. Holds no secret.

use super::plan::Journey;
use molt_common::flag::Flag;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another run holds it.
    #[error("another run holds {0}; let it end, or stop it")]
    Busy(PathBuf),
    /// It cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// It holds something else.
    #[error("{0} is no state of a migration: {1}; move it away to begin anew")]
    Form(PathBuf, String),
    /// It belongs to another deployment.
    #[error("{path} belongs to {theirs}, not to {ours}")]
    Other {
        /// The file.
        path: PathBuf,
        /// Address in it.
        theirs: String,
        /// Address of this run.
        ours: String,
    },
}

/// Contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kept {
    /// Address of the router.
    pub url: String,
    /// Migrations under way, by flag.
    pub journeys: BTreeMap<Flag, Journey>,
}

/// The file, held by this run alone.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    kept: Kept,
    _lock: File,
}

/// Where the state of the deployment at `url` lies when nobody says otherwise: below `XDG_STATE_HOME`, or `HOME` in its absence.
#[must_use]
pub fn default_path(url: &str, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    let plain = |byte: char| byte.is_ascii_alphanumeric() || byte == '.' || byte == '-';
    let name: String = url.chars().map(|each| if plain(each) { each } else { '_' }).collect();
    Some(base.join("moltworker").join(format!("migration-{name}.json")))
}

/// What is kept, for those who only look.
///
/// # Errors
/// See [`StateError`].
pub fn read(path: &Path, url: &str) -> Result<Kept, StateError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Kept {
                url: url.to_owned(),
                ..Kept::default()
            });
        }
        read => read.map_err(|error| StateError::Io(path.into(), error))?,
    };
    let kept: Kept = serde_json::from_slice(&text).map_err(|error| StateError::Form(path.into(), error.to_string()))?;
    if kept.url == url {
        return Ok(kept);
    }
    Err(StateError::Other {
        path: path.into(),
        theirs: kept.url,
        ours: url.to_owned(),
    })
}

impl StateFile {
    /// Takes the file of the deployment at `url` for this run, until it is dropped or the process ends.
    ///
    /// # Errors
    /// See [`StateError`].
    pub fn open(path: &Path, url: &str) -> Result<Self, StateError> {
        let failed = |path: &Path, error| StateError::Io(path.into(), error);
        if let Some(folder) = path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| failed(folder, error))?;
        }
        // Beside the file, which is replaced as a whole.
        let lock_path = path.with_extension("lock");
        let lock = private().open(&lock_path).map_err(|error| failed(&lock_path, error))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StateError::Busy(path.into()),
            TryLockError::Error(error) => failed(&lock_path, error),
        })?;
        Ok(Self {
            path: path.into(),
            kept: read(path, url)?,
            _lock: lock,
        })
    }

    /// A migration under way.
    #[must_use]
    pub fn journey(&self, flag: Flag) -> Option<&Journey> {
        self.kept.journeys.get(&flag)
    }

    /// Keeps a migration, or forgets it.
    ///
    /// # Errors
    /// See [`StateError`].
    pub fn keep(&mut self, flag: Flag, journey: Option<&Journey>) -> Result<(), StateError> {
        match journey {
            Some(journey) => self.kept.journeys.insert(flag, journey.clone()),
            None => self.kept.journeys.remove(&flag),
        };
        self.write().map_err(|error| StateError::Io(self.path.clone(), error))
    }

    /// A reader, and a run after a power cut, sees the old file or the new one.
    fn write(&self) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = private().truncate(true).open(&new)?;
        file.write_all(format!("{:#}\n", serde_json::to_value(&self.kept)?).as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::{StateError, StateFile, default_path, read};
    use crate::migrate::plan::{Journey, Seen};
    use molt_common::flag::{Flag, Subject};
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    const URL: &str = "https://agents.example.com";

    fn journey() -> Journey {
        let seen = Seen {
            version: 3,
            setting: None,
        };
        Journey::new("5,100".parse().unwrap(), seen, 0, Subject::parse("ada").unwrap(), true)
    }

    #[test]
    fn what_is_kept_is_read_back_by_the_next_run_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/state.json");
        let mut file = StateFile::open(&path, URL).unwrap();
        file.keep(Flag::NewAdminApi, Some(&journey())).unwrap();
        assert!(
            matches!(StateFile::open(&path, URL), Err(StateError::Busy(_))),
            "one run at a time"
        );
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(file);
        let mut file = StateFile::open(&path, URL).unwrap();
        assert_eq!(file.journey(Flag::NewAdminApi), Some(&journey()));
        assert_eq!(file.journey(Flag::NewContainerGateway), None);
        file.keep(Flag::NewAdminApi, None).unwrap();
        assert!(read(&path, URL).unwrap().journeys.is_empty());
    }

    #[test]
    fn another_deployments_state_is_not_taken_for_ones_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        StateFile::open(&path, URL)
            .unwrap()
            .keep(Flag::NewAdminApi, Some(&journey()))
            .unwrap();
        let refused = StateFile::open(&path, "https://other.example.com")
            .unwrap_err()
            .to_string();
        assert!(refused.contains(URL), "{refused}");
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(StateFile::open(&path, URL), Err(StateError::Form(..))));
    }

    #[test]
    fn a_look_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        assert!(read(&path, URL).unwrap().journeys.is_empty());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn each_deployment_has_a_file_of_its_own() {
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/op"));
        let path = default_path("http://127.0.0.1:8787", home).unwrap();
        assert_eq!(
            path,
            Path::new("/home/op/.local/state/moltworker/migration-http___127.0.0.1_8787.json")
        );
        let both = |name: &str| (name == "XDG_STATE_HOME").then(|| PathBuf::from("/state"));
        assert!(default_path(URL, both).unwrap().starts_with("/state/moltworker"));
        assert_eq!(default_path(URL, |_| Some(PathBuf::from("relative"))), None);
    }
}
