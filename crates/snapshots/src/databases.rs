//! Databases of SQLite: copied by SQLite itself while they are written to, checked, and put into the snapshot in the place of the live file.
//!
//! The live file's folder is left as it is: nothing is created beside it. So a database in WAL mode that nobody has open (no `-shm`) is copied byte for byte
//! together with its journal, and SQLite recovers the copy.

use crate::reader::{Staged, open_regular, wait_for_next_tick};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustic_core::jiff::Timestamp;
use rustix::fs::{AtFlags, Stat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a database begins with, whatever its name.
const HEADER: &[u8; 16] = b"SQLite format 3\0";
/// How long a database may stay locked by its writer.
const LOCKED_AT_MOST: Duration = Duration::from_secs(10);
/// How long SQLite may look for faults in a copy. A hostile one could be made to take for ever.
const CHECKED_AT_MOST: Duration = Duration::from_secs(120);
/// What a rollback journal begins with.
const JOURNAL: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// What a write-ahead log begins with, by the order of bytes in which its sums are made.
const WAL: [u8; 4] = [0x37, 0x7f, 0x06, 0x82];
/// See [`WAL`].
const WAL_BIG_ENDIAN: [u8; 4] = [0x37, 0x7f, 0x06, 0x83];
/// The version with which the index of a write-ahead log (`-shm`) begins, in the machine's order of bytes.
const INDEX_OF_WAL: u32 = 3_007_000;
/// Pages that are copied in one step.
const PAGES: i32 = 256;
/// Bytes of a file that are copied in one step.
const PIECE: u64 = 4 << 20;
/// Steps of SQLite, among them one for each page, after which it tells that it goes on looking for faults.
const CHECKED_BETWEEN: i32 = 10_000;
/// Endings of the files beside a database that belong to it.
pub const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A database's place: an open folder, the name there, and the whole path, since SQLite opens by path.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its folder.
    pub folder: &'a OwnedFd,
    /// Its name there.
    pub name: &'a OsStr,
    /// The whole path.
    pub path: &'a Path,
}

/// When a file was last seen to change; equal ones mean an unchanged file.
pub type Version = (u64, i64, i64, u64, i64, u64);

/// See [`Version`].
pub fn version(stat: &Stat) -> Version {
    (
        stat.st_ino,
        stat.st_size,
        stat.st_mtime,
        u64::from(stat.st_mtime_nsec as u32),
        stat.st_ctime,
        u64::from(stat.st_ctime_nsec as u32),
    )
}

impl Place<'_> {
    /// Name of the file beside it.
    pub fn beside(&self, ending: &str) -> OsString {
        let mut name = self.name.to_owned();
        name.push(ending);
        name
    }

    /// What is at the name with `ending`, if anything.
    pub fn stat(&self, ending: &str) -> Option<Stat> {
        rustix::fs::statat(self.folder, self.beside(ending), AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    /// Whether a file of this size is a database.
    pub fn is_database(&self, size: u64) -> bool {
        // Whole pages of at least 512 bytes, unless a writer was cut off.
        if size < 512 || (!size.is_multiple_of(512) && BESIDE.iter().all(|ending| self.stat(ending).is_none())) {
            return false;
        }
        let mut header = [0; 16];
        open_regular(self.folder, self.name)
            .is_ok_and(|(file, _)| file.read_exact_at(&mut header, 0).is_ok() && &header == HEADER)
    }

    /// Versions of the database and of its journals: equal ones mean that it holds the same. Of journals without the time at which anything about them
    /// changed: SQLite, as root, gives a journal that it opens to the database's owner anew, which sets that time and nothing else.
    pub fn versions(&self) -> Vec<Option<Version>> {
        let journal = |ending: &str| {
            let (inode, size, seconds, nanoseconds, ..) = self.stat(ending).as_ref().map(version)?;
            Some((inode, size, seconds, nanoseconds, 0, 0))
        };
        vec![
            self.stat("").as_ref().map(version),
            journal("-wal"),
            journal("-journal"),
        ]
    }
}

/// Whether what has the name of a file beside a database is one that SQLite made: somebody's own file or folder of such a name is none. One that begins with
/// nothing, as SQLite leaves it, is.
pub fn is_beside(folder: &OwnedFd, name: &OsStr, ending: &str) -> bool {
    let Ok((file, _)) = open_regular(folder, name) else {
        return false;
    };
    let mut header = Vec::new();
    if file.take(8).read_to_end(&mut header).is_err() {
        return false;
    }
    let begun: &[&[u8]] = match ending {
        "-wal" => return header.is_empty() || header.starts_with(&WAL) || header.starts_with(&WAL_BIG_ENDIAN),
        "-journal" => &[&JOURNAL],
        _ => &[&INDEX_OF_WAL.to_le_bytes(), &INDEX_OF_WAL.to_be_bytes()],
    };
    header.iter().all(|byte| *byte == 0) || begun.iter().any(|start| header.starts_with(start))
}

/// Copies the database at `place` to `target`, finds the copy whole, and says how large it is. `steps` counts up meanwhile.
///
/// # Errors
/// Why its bytes have to be taken as they lie there: locked, damaged, replaced meanwhile.
pub fn copy(
    place: Place<'_>,
    changed: Option<Timestamp>,
    target: PathBuf,
    steps: &Arc<AtomicU64>,
) -> Result<Staged, String> {
    wait_for_next_tick(changed);
    let mut staged = Staged { file: target, size: 0 };
    let before = place.stat("").map(|stat| (stat.st_dev, stat.st_ino));
    let live = place.stat("-shm").is_some() || !in_wal_mode(place);
    let copied = if live {
        by_backup(place, &staged.file, steps)
    } else {
        Err(None)
    };
    match copied {
        Ok(()) => {}
        // A journal that its writer left behind has to be undone, which a reader may not do in its place.
        Err(None) => by_bytes(place, &staged.file, steps)?,
        Err(Some(why)) => return Err(why),
    }
    if place.stat("").map(|stat| (stat.st_dev, stat.st_ino)) != before {
        return Err("it was replaced while it was copied".to_owned());
    }
    check(&staged.file, steps)?;
    staged.size = std::fs::metadata(&staged.file)
        .map_err(|error| format!("its copy: {error}"))?
        .len();
    Ok(staged)
}

/// The version of the file format, in the header.
fn in_wal_mode(place: Place<'_>) -> bool {
    let mut versions = [0; 2];
    open_regular(place.folder, place.name)
        .is_ok_and(|(file, _)| file.read_exact_at(&mut versions, 18).is_ok() && versions.contains(&2))
}

/// The online backup, below one read that stays open: writers in WAL mode go on meanwhile, others wait as for any reader, and no step begins anew because of
/// them. `Err(None)`: it has to be recovered first.
fn by_backup(place: Place<'_>, target: &Path, steps: &AtomicU64) -> Result<(), Option<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let source = Connection::open_with_flags(place.path, flags).map_err(recovers)?;
    guard(&source).map_err(recovers)?;
    let mut copy = create(target).map_err(Some)?;
    let deadline = Instant::now() + LOCKED_AT_MOST;
    let wait = || {
        if Instant::now() > deadline {
            return Err(Some(format!("it stayed locked for {} s", LOCKED_AT_MOST.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(20));
        Ok(())
    };
    source.execute_batch("BEGIN").map_err(recovers)?;
    // Reads the first page, and no schema.
    while let Err(error) = source.query_row("PRAGMA user_version", [], |_| Ok(())) {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => wait()?,
            _ => return Err(recovers(error)),
        }
    }
    let backup = Backup::new(&source, &mut copy).map_err(recovers)?;
    loop {
        match backup.step(PAGES).map_err(recovers)? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked => wait()?,
            _ => {
                steps.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn recovers(error: rusqlite::Error) -> Option<String> {
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => None,
        _ => Some(error.to_string()),
    }
}

/// Nothing that a hostile schema holds is run, and nothing is written at the end.
fn guard(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(100))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    Ok(())
}

fn create(target: &Path) -> Result<Connection, String> {
    // Closed to the agent from its first byte.
    let created = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(target);
    created.map_err(|error| format!("its copy: {error}"))?;
    Connection::open(target).map_err(|error| format!("its copy: {error}"))
}

/// All its files byte for byte, at a moment at which none of them changes; SQLite then recovers the copy.
fn by_bytes(place: Place<'_>, target: &Path, steps: &AtomicU64) -> Result<(), String> {
    for _ in 0..3 {
        let before = place.versions();
        for ending in ["", "-wal", "-journal"] {
            let mut copy = target.as_os_str().to_owned();
            copy.push(ending);
            let _ = std::fs::remove_file(&copy);
            match open_regular(place.folder, &place.beside(ending)) {
                Ok((mut file, stat)) => {
                    copy_file(
                        &mut file,
                        u64::try_from(stat.st_size).unwrap_or(0),
                        Path::new(&copy),
                        steps,
                    )
                    .map_err(|error| format!("copying it: {error}"))?;
                }
                Err(rustix::io::Errno::NOENT) if !ending.is_empty() => {}
                Err(error) => return Err(format!("copying it: {error}")),
            }
        }
        if place.versions() == before && place.stat("-shm").is_none() {
            return Ok(());
        }
    }
    Err("it was being written to each time its bytes were copied".to_owned())
}

/// The first `size` bytes of a file into a new one of the supervisor's own; `steps` counts up meanwhile.
///
/// # Errors
/// Those of reading and writing.
pub fn copy_file(file: &mut File, size: u64, target: &Path, steps: &AtomicU64) -> io::Result<u64> {
    let mut copy = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(target)?;
    let mut copied = 0;
    loop {
        let piece = PIECE.min(size - copied);
        match io::copy(&mut file.by_ref().take(piece), &mut copy)? {
            0 => return Ok(copied),
            count => copied += count,
        }
        steps.fetch_add(1, Ordering::Relaxed);
    }
}

fn check(copy: &Path, steps: &Arc<AtomicU64>) -> Result<(), String> {
    let connection = Connection::open(copy).map_err(|error| error.to_string())?;
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)
        .map_err(|error| error.to_string())?;
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)
        .map_err(|error| error.to_string())?;
    let deadline = Instant::now() + CHECKED_AT_MOST;
    let steps = steps.clone();
    let goes_on = move || {
        steps.fetch_add(1, Ordering::Relaxed);
        Instant::now() > deadline
    };
    connection.progress_handler(CHECKED_BETWEEN, Some(goes_on));
    let found: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| format!("looking for faults: {error}"))?;
    if found != "ok" {
        return Err(format!(
            "SQLite finds it damaged: {}",
            found.lines().next_back().unwrap_or_default()
        ));
    }
    // The last connection takes the copy's own journals in.
    connection.close().map_err(|(_, error)| error.to_string())
}
