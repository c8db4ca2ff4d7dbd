//! A SQLite database on a sandbox's disk that is written to without a pause, in the mode in which a plain copy is not whole.

use crate::disk::Disk;
use nix::unistd::chown;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(20);

/// A writer at work.
pub struct DatabaseLoad {
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    writer: Option<JoinHandle<()>>,
}

impl DatabaseLoad {
    /// Begins to write. What an earlier one wrote stays.
    ///
    /// # Panics
    /// When the database cannot be opened.
    #[must_use]
    pub fn begin(disk: &Disk) -> Self {
        let path = disk.database();
        let connection = open(&path);
        let (user, group) = disk.owner();
        for path in [&path, &beside(&path, "-wal"), &beside(&path, "-shm")] {
            chown(path, Some(user), Some(group)).expect("the agent's");
        }
        let stop = Arc::new(AtomicBool::new(false));
        let committed = Arc::new(AtomicU64::new(rows(&connection)));
        let writer = std::thread::spawn({
            let (stop, committed) = (Arc::clone(&stop), Arc::clone(&committed));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    // A disk that went with its container ends the load.
                    let row = "insert into load (value) values (randomblob(500))";
                    if connection.execute(row, []).is_err() {
                        return;
                    }
                    committed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self {
            stop,
            committed,
            writer: Some(writer),
        }
    }

    /// Rows that are certainly there by now.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }
}

impl Drop for DatabaseLoad {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

/// Rows of the database on a disk, which must be whole.
///
/// # Panics
/// When it is not.
#[must_use]
pub fn rows_of_whole(disk: &Disk) -> u64 {
    let connection = open(&disk.database());
    let told: String = connection
        .query_row("pragma integrity_check", [], |row| row.get(0))
        .expect("an answer");
    assert_eq!(told, "ok", "the restored database is not whole");
    rows(&connection)
}

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection.busy_timeout(PATIENCE).expect("a patience");
    connection
        .execute_batch(
            "pragma journal_mode = wal; create table if not exists load (id integer primary key, value blob)",
        )
        .expect("a table");
    connection
}

fn rows(connection: &Connection) -> u64 {
    connection
        .query_row("select count(*) from load", [], |row| row.get(0))
        .expect("a count")
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
