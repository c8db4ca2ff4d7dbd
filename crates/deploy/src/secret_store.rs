//! Values of secrets on this machine: the file of the deployment, the environment, standard input. Never the command line.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::secret;

/// The values that are known here. Cloudflare tells names only.
#[derive(Clone)]
pub struct SecretStore {
    path: PathBuf,
    kept: BTreeMap<String, String>,
    given: BTreeMap<String, String>,
}

/// Why the values cannot be read or kept. Nothing of a value is in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file lies where it could be committed.
    #[error("{0} lies in the repository; secrets are kept elsewhere (`secrets_file` of the environment)")]
    InRepository(PathBuf),
    /// Others may read it.
    #[error("{0} can be read by others: chmod 600 it")]
    Mode(PathBuf),
    /// Not what it should be.
    #[error("{0} is not JSON of the form {{\"NAME\": \"VALUE\"}}")]
    Form(String),
    /// There is no such secret.
    #[error("{0} names {1}, which no worker has")]
    Unknown(String, String),
    /// The workers could not read the value.
    #[error("{0} of {1} {2}")]
    Value(String, String, String),
    /// The file cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
}

impl SecretStore {
    /// Reads the file of the deployment, if there is one; `environment` gives variables of this process, `standard_input` its text when the
    /// operator said that there is one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(
        path: &Path,
        root: &Path,
        environment: impl Fn(&str) -> Option<String>,
        standard_input: Option<&str>,
    ) -> Result<Self, StoreError> {
        // Links and dots do not hide where it lies; the file itself need not exist.
        let folder = path
            .ancestors()
            .skip(1)
            .find_map(|folder| fs::canonicalize(folder).ok());
        let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        if folder.is_some_and(|folder| folder.starts_with(&root)) {
            return Err(StoreError::InRepository(path.to_owned()));
        }
        let kept = match fs::read_to_string(path) {
            Ok(text) => {
                let mode = fs::metadata(path)
                    .map_err(|error| StoreError::Io(path.to_owned(), error))?
                    .mode();
                if mode & 0o077 != 0 {
                    return Err(StoreError::Mode(path.to_owned()));
                }
                parse(&text, &path.to_string_lossy())?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(StoreError::Io(path.to_owned(), error)),
        };
        let mut given = BTreeMap::new();
        for secret in secret::ALL.iter().filter(|secret| secret.from_environment) {
            if let Some(value) = environment(secret.name).filter(|value| !value.is_empty()) {
                secret
                    .check(&value)
                    .map_err(|why| StoreError::Value(secret.name.to_owned(), "the environment".to_owned(), why))?;
                given.insert(secret.name.to_owned(), value);
            }
        }
        if let Some(text) = standard_input {
            given.extend(parse(text, "standard input")?);
        }
        Ok(Self {
            path: path.to_owned(),
            kept,
            given,
        })
    }

    /// The value of a secret: one that was given for this run before one that is kept.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.given.get(name).or_else(|| self.kept.get(name)).map(String::as_str)
    }

    /// Whether a value was given for this run.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Names of all secrets whose values are known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.given.keys().chain(self.kept.keys()).map(String::as_str)
    }

    /// Where they are kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps a value, or forgets it. Written whole, with mode 0600, before anybody uses it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn keep(&mut self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        match value {
            Some(value) => {
                self.kept.insert(name.to_owned(), value.to_owned());
                if self.given.contains_key(name) {
                    self.given.insert(name.to_owned(), value.to_owned());
                }
            }
            None => {
                self.kept.remove(name);
            }
        }
        self.write().map_err(|error| StoreError::Io(self.path.clone(), error))
    }

    fn write(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{:#}", serde_json::json!(self.kept))?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

impl fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretStore({})", self.path.display())
    }
}

fn parse(text: &str, place: &str) -> Result<BTreeMap<String, String>, StoreError> {
    // serde's message may quote what it read.
    let values: BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|_| StoreError::Form(place.to_owned()))?;
    for (name, value) in &values {
        let secret = secret::find(name).ok_or_else(|| StoreError::Unknown(place.to_owned(), name.clone()))?;
        secret
            .check(value)
            .map_err(|why| StoreError::Value(name.clone(), place.to_owned(), why))?;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, root: &Path) -> Result<SecretStore, StoreError> {
        SecretStore::open(path, root, |_| None, None)
    }

    #[test]
    fn values_are_kept_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.json");
        let root = tempfile::tempdir().unwrap();
        let mut store = open(&path, root.path()).unwrap();
        store.keep("SUPABASE_JWT_SECRET", Some("hunter2")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            open(&path, root.path()).unwrap().value("SUPABASE_JWT_SECRET"),
            Some("hunter2")
        );
        assert!(!format!("{store:?}").contains("hunter2"));
        store.keep("SUPABASE_JWT_SECRET", None).unwrap();
        assert_eq!(open(&path, root.path()).unwrap().value("SUPABASE_JWT_SECRET"), None);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(open(&path, root.path()), Err(StoreError::Mode(_))));
    }

    #[test]
    fn a_key_that_somebody_has_for_himself_is_not_taken_from_his_environment() {
        let (folder, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = folder.path().join("a.json");
        let environment = |name: &str| (name == "OPENAI_API_KEY").then(|| "sk-mine".to_owned());
        let of = |input| SecretStore::open(&path, root.path(), environment, input).unwrap();
        assert!(!of(None).is_given("OPENAI_API_KEY"));
        let given = of(Some(r#"{"OPENAI_API_KEY": "of-the-platform"}"#));
        assert_eq!(given.value("OPENAI_API_KEY"), Some("of-the-platform"));
    }

    #[test]
    fn the_repository_is_no_place_for_them() {
        let root = tempfile::tempdir().unwrap();
        let link = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root.path(), link.path().join("elsewhere")).unwrap();
        for path in [
            root.path().join("deploy/a.json"),
            link.path().join("elsewhere/a.json"),
            link.path().join("elsewhere/not/yet/a.json"),
        ] {
            assert!(
                matches!(open(&path, root.path()), Err(StoreError::InRepository(_))),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn what_is_given_for_a_run_counts_first() {
        let folder = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        open(&path, root.path())
            .unwrap()
            .keep("AUTH_API_KEY", Some("kept"))
            .unwrap();
        let of = |environment: Option<&str>, input: Option<&str>| {
            let environment = environment.map(str::to_owned);
            let store = SecretStore::open(
                &path,
                root.path(),
                |name| environment.clone().filter(|_| name == "AUTH_API_KEY"),
                input,
            )
            .unwrap();
            (
                store.value("AUTH_API_KEY").map(str::to_owned),
                store.is_given("AUTH_API_KEY"),
            )
        };
        assert_eq!(of(None, None), (Some("kept".to_owned()), false));
        assert_eq!(of(Some("environment"), None), (Some("environment".to_owned()), true));
        assert_eq!(
            of(Some("environment"), Some(r#"{"AUTH_API_KEY": "input"}"#)),
            (Some("input".to_owned()), true)
        );
    }

    #[test]
    fn nonsense_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for input in [
            "hunter2",
            r#"{"HUNTER": "hunter2"}"#,
            r#"{"MOLT_SESSION_KEYS": "hunter2"}"#,
            r#"{"AUTH_API_KEY": 7}"#,
        ] {
            let error = SecretStore::open(&path, root.path(), |_| None, Some(input))
                .unwrap_err()
                .to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
