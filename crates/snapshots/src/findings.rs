//! What a reading of the home met, gathered from the threads that read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many files are named at most.
const NAMED: usize = 20;

/// What a reading of the home met.
#[derive(Debug, Default)]
pub struct Findings {
    unreadable: Mutex<Vec<String>>,
    unreadable_count: AtomicU64,
    unsteady: Mutex<BTreeSet<PathBuf>>,
    /// Databases that stand in the snapshot as copies that were found whole.
    pub databases: AtomicU32,
    /// Regular files that were met.
    pub files: AtomicU64,
    /// Bytes of them that were read, or need not be.
    pub bytes: AtomicU64,
    /// Counts up while files are copied and databases looked through, which takes long and reads nothing for the snapshot yet.
    pub steps: Arc<AtomicU64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Findings {
    /// A file (path relative to the home) that could not be saved as it should.
    pub fn unreadable(&self, path: &Path, why: &str) {
        self.unreadable_count.fetch_add(1, Ordering::Relaxed);
        let mut named = lock(&self.unreadable);
        if named.len() < NAMED {
            // Escaped, since a name may hold what moves a terminal.
            named.push(format!("{}: {why}", path.display().to_string().escape_debug()));
        }
    }

    /// A file that was replaced or written to since its entry was made, or whose copy was needed after all: it is copied first at the next try.
    pub fn unsteady(&self, path: &Path) {
        lock(&self.unsteady).insert(path.to_owned());
    }

    /// All that are to be copied first.
    pub fn take_unsteady(&self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut lock(&self.unsteady))
    }

    /// The first that could not be read, and how many there were.
    pub fn all_unreadable(&self) -> (Vec<String>, u64) {
        (
            lock(&self.unreadable).clone(),
            self.unreadable_count.load(Ordering::Relaxed),
        )
    }
}
