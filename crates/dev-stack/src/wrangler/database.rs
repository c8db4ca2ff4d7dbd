//! The local D1 database: migrations and the demo users, done again only when they changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::command::Wrangler;
use super::topology::Worker;
use super::workspace::Workspace;
use crate::private_file;
use crate::users;

/// Why the database is not ready.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What has to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseWork {
    /// Commands of wrangler.
    pub commands: Vec<Vec<String>>,
    stamp: String,
    stamp_file: PathBuf,
}

impl DatabaseWork {
    /// Finds out what has to be done; nothing when the state holds the result of the same migrations and users.
    ///
    /// # Errors
    /// When the migrations cannot be read.
    pub fn plan(wrangler: &Wrangler, workspace: &Workspace, run: &Path) -> Result<Option<Self>, DatabaseError> {
        let (Some(database), Some(migrations)) = (&workspace.database, &workspace.migrations) else {
            return Ok(None);
        };
        let seed = users::seed_sql();
        let stamp = fingerprint(migrations, &seed)?;
        // Beside the database, so that it goes when the state is removed.
        let stamp_file = wrangler.persist_to.join("database.stamp");
        if fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
            return Ok(None);
        }
        let seed_file = run.join("seed.sql");
        private_file::write(&seed_file, seed.as_bytes()).map_err(|error| DatabaseError::Io {
            path: seed_file.clone(),
            error,
        })?;
        let config = workspace.config(Worker::Admin);
        let commands = vec![
            wrangler.migrate(&config, database),
            wrangler.execute_sql(&config, database, &seed_file),
        ];
        Ok(Some(Self {
            commands,
            stamp,
            stamp_file,
        }))
    }

    /// Notes that all of it succeeded.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn finish(self) -> Result<(), DatabaseError> {
        private_file::write(&self.stamp_file, self.stamp.as_bytes()).map_err(|error| DatabaseError::Io {
            path: self.stamp_file,
            error,
        })
    }
}

/// SHA-256 over the names and contents of the migrations and over the seed, as hexadecimal digits.
fn fingerprint(migrations: &Path, seed: &str) -> Result<String, DatabaseError> {
    let failed = |path: &Path, error| DatabaseError::Io {
        path: path.to_owned(),
        error,
    };
    let mut files: Vec<PathBuf> = fs::read_dir(migrations)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(|error| failed(migrations, error))?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        let text = fs::read(file).map_err(|error| failed(file, error))?;
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update([0]);
        hash.update(u64::try_from(text.len()).unwrap_or_default().to_le_bytes());
        hash.update(text);
    }
    hash.update(seed);
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> (tempfile::TempDir, Wrangler, Workspace) {
        let folder = tempfile::tempdir().unwrap();
        let migrations = folder.path().join("migrations");
        fs::create_dir(&migrations).unwrap();
        fs::write(migrations.join("0001.sql"), "CREATE TABLE a (b);").unwrap();
        let persist_to = folder.path().join("workers");
        fs::create_dir(&persist_to).unwrap();
        let wrangler = Wrangler {
            node: "/n".into(),
            script: "/w".into(),
            persist_to,
        };
        let workspace = Workspace::for_test(folder.path(), migrations);
        (folder, wrangler, workspace)
    }

    #[test]
    fn work_is_done_once_and_again_when_a_migration_is_added() {
        let (folder, wrangler, workspace) = fixture();
        let plan = || DatabaseWork::plan(&wrangler, &workspace, folder.path()).unwrap();
        let first = plan().unwrap();
        assert_eq!(first.commands.len(), 2);
        assert!(plan().is_some(), "nothing is noted before it succeeded");
        first.finish().unwrap();
        assert_eq!(plan(), None);
        fs::write(folder.path().join("migrations/0002.sql"), "DROP TABLE a;").unwrap();
        assert!(plan().is_some());
    }

    #[test]
    fn a_removed_state_is_made_again() {
        let (folder, wrangler, workspace) = fixture();
        let plan = || DatabaseWork::plan(&wrangler, &workspace, folder.path()).unwrap();
        plan().unwrap().finish().unwrap();
        fs::remove_dir_all(&wrangler.persist_to).unwrap();
        assert!(plan().is_some());
    }
}
