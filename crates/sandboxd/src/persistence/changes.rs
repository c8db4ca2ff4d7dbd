//! Whether anything on the disk has changed: by a walk over its metadata.
//!
//! A walk looks at every entry once and reads no file. Watching instead (inotify) takes a watch for each folder, loses events when its queue overflows, and
//! knows nothing of the time before it; a walk has none of that, and 100,000 files take it a fraction of a second. The change time of an entry cannot be set
//! by anybody, so whatever writes, renames, links or sets another time shows, a database's write-ahead log included.

use std::ffi::{CStr, CString, OsStr};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use molt_common::time::Millis;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};

use crate::clock::now_ms;

/// The kernel stamps with a clock that stands still between two ticks: what was written this long before a look may be written once more without
/// showing. Twice the longest tick there is (100 a second).
pub const CLOCK_TICK_MS: u64 = 20;

/// What a walk has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// When it began: what it tells was so at that moment or later.
    pub began: Millis,
    /// Entries that it saw.
    pub entries: u64,
    /// Of all that it saw, in no order: a sum, because folders are read in the order that the file system likes.
    digest: (u64, u64),
    /// The newest change time, milliseconds.
    newest: u64,
    /// Whether it saw everything.
    whole: bool,
}

impl Look {
    /// Whether nothing has changed from this one to `later`. Only what was surely at rest can tell.
    pub fn is_same_as(&self, later: &Self) -> bool {
        self.whole && later.whole && self.was_settled() && (self.digest, self.entries) == (later.digest, later.entries)
    }

    /// Whether a write after this look would surely show in the next.
    const fn was_settled(&self) -> bool {
        self.newest.saturating_add(CLOCK_TICK_MS) <= self.began.0
    }

    fn add(&mut self, folder: u64, name: &CStr, stat: &FileStat) {
        let seen = (
            (folder, name.to_bytes(), stat.st_ino, stat.st_dev),
            (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_size),
            (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec),
        );
        let hash = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, seen).hash(&mut hasher);
            hasher.finish()
        };
        self.digest.0 = self.digest.0.wrapping_add(hash(0));
        self.digest.1 = self.digest.1.wrapping_add(hash(1));
        self.entries += 1;
        let changed = u64::try_from(stat.st_ctime).unwrap_or(0).saturating_mul(1_000);
        let changed = changed.saturating_add(u64::try_from(stat.st_ctime_nsec).unwrap_or(0) / 1_000_000);
        self.newest = self.newest.max(changed);
    }
}

/// A folder on the way down, and those of its folders that are still to be seen.
struct Level {
    folder: Dir,
    below: Vec<CString>,
}

/// Walks over `home`, but for the folders that `skip` (a path below it) leaves out. Follows no link. Blocks the thread.
///
/// # Errors
/// When `home` itself cannot be read. What cannot be read below it makes a look that is the same as no other.
pub fn look(home: &Path, skip: impl Fn(&Path) -> bool) -> io::Result<Look> {
    let mut look = Look {
        began: Millis(now_ms()),
        entries: 0,
        digest: (0, 0),
        newest: 0,
        whole: true,
    };
    let folder = Dir::open(home, flags(), Mode::empty())?;
    // The home itself has a mode and an owner too.
    let stat = fstatat(&folder, c".", AtFlags::AT_SYMLINK_NOFOLLOW)?;
    look.add(0, c".", &stat);
    let mut path = std::path::PathBuf::new();
    let mut levels = vec![read(folder, stat.st_ino, &path, &skip, &mut look)];
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.below.pop() else {
            levels.pop();
            path.pop();
            continue;
        };
        path.push(OsStr::from_bytes(name.to_bytes()));
        match enter(&level.folder, &name) {
            Ok(Some((folder, inode))) => levels.push(read(folder, inode, &path, &skip, &mut look)),
            Ok(None) => {
                path.pop();
            }
            Err(_) => {
                look.whole = false;
                path.pop();
            }
        }
    }
    Ok(look)
}

const fn flags() -> OFlag {
    OFlag::O_RDONLY
        .union(OFlag::O_DIRECTORY)
        .union(OFlag::O_NOFOLLOW)
        .union(OFlag::O_CLOEXEC)
}

/// Opens a folder; nothing when it is gone or has become something else, which its parent's change time tells.
fn enter(parent: &Dir, name: &CStr) -> nix::Result<Option<(Dir, u64)>> {
    match Dir::openat(parent, name, flags(), Mode::empty()) {
        Ok(folder) => {
            let stat = fstatat(&folder, c".", AtFlags::AT_SYMLINK_NOFOLLOW)?;
            Ok(Some((folder, stat.st_ino)))
        }
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sees the entries of one folder, which lies at `path`.
fn read(mut folder: Dir, inode: u64, path: &Path, skip: &impl Fn(&Path) -> bool, look: &mut Look) -> Level {
    let mut names = Vec::new();
    for entry in folder.iter() {
        match entry {
            Ok(entry) if entry.file_name() != c"." && entry.file_name() != c".." => {
                names.push(entry.file_name().to_owned());
            }
            Ok(_) => {}
            Err(_) => look.whole = false,
        }
    }
    let mut below = Vec::new();
    for name in names {
        match fstatat(&folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let is_folder = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFDIR;
                if is_folder && skip(&path.join(OsStr::from_bytes(name.to_bytes()))) {
                    continue;
                }
                look.add(inode, &name, &stat);
                if is_folder {
                    below.push(name);
                }
            }
            // Gone since; the folder's own change time tells.
            Err(Errno::ENOENT) => {}
            Err(_) => look.whole = false,
        }
    }
    Level { folder, below }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::{Duration, Instant};

    use super::*;

    fn all(home: &Path) -> Look {
        look(home, |_| false).unwrap()
    }

    /// A look at a disk at rest.
    fn settled(home: &Path) -> Look {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let look = all(home);
            if look.was_settled() {
                return look;
            }
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn every_kind_of_change_shows() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        fs::create_dir_all(home.join("a/b")).unwrap();
        fs::write(home.join("a/b/file"), "one").unwrap();
        fs::write(home.join("data.db-wal"), "log").unwrap();
        symlink("file", home.join("a/b/link")).unwrap();
        let changes: [(&str, &dyn Fn()); 9] = [
            ("same size", &|| fs::write(home.join("a/b/file"), "two").unwrap()),
            ("log", &|| fs::write(home.join("data.db-wal"), "gol").unwrap()),
            ("mode", &|| {
                fs::set_permissions(home.join("a/b/file"), fs::Permissions::from_mode(0o600)).unwrap();
            }),
            ("new", &|| fs::write(home.join("a/new"), "").unwrap()),
            ("name", &|| {
                fs::rename(home.join("a/new"), home.join("a/other")).unwrap()
            }),
            ("hard link", &|| {
                fs::hard_link(home.join("a/other"), home.join("a/more")).unwrap()
            }),
            ("gone", &|| fs::remove_file(home.join("a/more")).unwrap()),
            ("link", &|| {
                fs::remove_file(home.join("a/b/link")).unwrap();
                symlink("elif", home.join("a/b/link")).unwrap();
            }),
            ("old time", &|| {
                let file = fs::File::options().write(true).open(home.join("a/b/file")).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            }),
        ];
        for (what, change) in changes {
            let before = settled(home);
            assert!(before.is_same_as(&all(home)), "nothing happened before {what}");
            change();
            assert!(!before.is_same_as(&all(home)), "{what}");
        }
    }

    #[test]
    fn what_was_written_a_moment_ago_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let look = all(folder.path());
        assert!(!look.is_same_as(&look), "the same tick may bring another write");
    }

    #[test]
    fn links_are_not_followed_and_what_is_left_out_does_not_count() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let home = folder.path();
        fs::create_dir_all(home.join(".cache/deep")).unwrap();
        symlink(outside.path(), home.join("out")).unwrap();
        symlink(".", home.join("circle")).unwrap();
        let skip = |path: &Path| path == Path::new(".cache");
        let before = settled(home);
        let seen = look(home, skip).unwrap();
        assert_eq!((before.entries, seen.entries), (5, 3));
        fs::write(outside.path().join("file"), "x").unwrap();
        assert!(before.is_same_as(&all(home)));
        fs::write(home.join(".cache/file"), "x").unwrap();
        assert!(!before.is_same_as(&all(home)));
        assert!(seen.is_same_as(&look(home, skip).unwrap()));
    }

    #[test]
    fn a_path_longer_than_the_kernel_takes_is_walked() {
        let folder = tempfile::tempdir().unwrap();
        let name = "n".repeat(200);
        let mut at = Dir::open(folder.path(), flags(), Mode::empty()).unwrap();
        for _ in 0..30 {
            nix::sys::stat::mkdirat(&at, name.as_str(), Mode::S_IRWXU).unwrap();
            at = Dir::openat(&at, name.as_str(), flags(), Mode::empty()).unwrap();
        }
        let before = settled(folder.path());
        assert_eq!((before.entries, before.whole), (31, true));
        nix::sys::stat::mkdirat(&at, "last", Mode::S_IRWXU).unwrap();
        assert!(!before.is_same_as(&all(folder.path())));
    }
}
