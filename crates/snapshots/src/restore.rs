//! Restores a snapshot onto an empty home.
//!
//! A home is empty when all that it holds is folders, and files that lie with the same bytes at the same place below `/etc/skel`: what making the user brings
//! (`useradd --create-home`). These are removed first, so that the home holds what the snapshot holds. While a restore is under way a mark lies in the
//! supervisor's folder; an attempt that finds it empties the home first, since what is there is what an attempt that was cut off left.

use crate::failure::{Failure, Outcome};
use crate::lay::{Laid, Target, lay};
use crate::progress::Progress;
use crate::repository::{Access, Opened, snapshot};
use crate::source::{names, open_folder};
use crate::stored::Stored;
use crate::work_dir::WorkDir;
use molt_common::snapshot::SnapshotId;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What making a user copies into its home.
const SKELETON: &str = "/etc/skel";
/// The mark of a restore that is under way.
const MARK: &str = "restoring";

/// Restores `id` onto the empty `home`.
///
/// # Errors
/// When the home is not empty (nothing was changed then), and for anything that is missing or corrupt: the home is empty then.
pub fn restore(
    access: &Access,
    home: &Path,
    work_dir: &WorkDir,
    owner: (u32, u32),
    id: SnapshotId,
    progress: &Progress,
) -> Outcome<Laid> {
    onto_empty(home, work_dir, &id.to_string(), |root| {
        let target = Target {
            root,
            name: home,
            owner,
        };
        fetch(access, target, id, progress)
    })
}

/// Does `work` on the home, which is empty before, and empty again when it fails. `what` is written into the mark.
///
/// # Errors
/// When the home is not empty (nothing was changed then), and those of the work.
pub fn onto_empty<T>(
    home: &Path,
    work_dir: &WorkDir,
    what: &str,
    work: impl FnOnce(&OwnedFd) -> Outcome<T>,
) -> Outcome<T> {
    let disk = |doing: &'static str, path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| Failure::disk(doing, &path, &error)
    };
    let root = rustix::fs::open(
        home,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| Failure::disk("opening", home, &error.into()))?;
    let mark = work_dir.path().join(MARK);
    if !mark.exists()
        && let Some(path) =
            foreign(&root, Path::new("")).map_err(|error| Failure::disk("reading", home, &error.into()))?
    {
        return Err(Failure::lasting(format!(
            "{} is not empty: it holds {}, which the image did not bring; nothing was restored",
            home.display(),
            path.display().to_string().escape_debug()
        )));
    }
    std::fs::write(&mark, what).map_err(disk("writing", &mark))?;
    let empty = || clear(&root).map_err(|error| Failure::disk("emptying", home, &error.into()));
    empty()?;
    let laid = work(&root);
    let cleaned = if laid.is_err() { empty() } else { Ok(()) };
    match (laid, cleaned) {
        (Ok(laid), _) => {
            std::fs::remove_file(&mark).map_err(disk("removing", &mark))?;
            Ok(laid)
        }
        (Err(failure), Ok(())) => {
            let _ = std::fs::remove_file(&mark);
            Err(failure)
        }
        // The mark stays: the next attempt empties the home.
        (Err(failure), Err(cleaning)) => Err(Failure {
            message: format!("{failure}; afterwards {cleaning}"),
            ..failure
        }),
    }
}

fn fetch(access: &Access, target: Target<'_>, id: SnapshotId, progress: &Progress) -> Outcome<Laid> {
    let Opened { repository, backend } = access.open_indexed()?;
    let file = snapshot(&repository, &backend, id)?;
    let stored = Stored {
        repository: &repository,
        backend: &backend,
    };
    let nodes = stored.tree(&file.tree)?.nodes;
    lay(stored, &nodes, target, progress)
}

/// Something in a folder that no image brings.
fn foreign(folder: &OwnedFd, path: &Path) -> Result<Option<std::path::PathBuf>, Errno> {
    for name in names(folder)? {
        let path = path.join(&name);
        let stat = rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        let found = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => foreign(&open_folder(folder, &name)?, &path)?,
            FileType::RegularFile if of_skeleton(folder, &name, &path) => None,
            _ => Some(path),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn of_skeleton(folder: &OwnedFd, name: &std::ffi::OsStr, path: &Path) -> bool {
    use std::io::Read as _;
    const LARGEST: u64 = 1024 * 1024;
    let Ok(skeleton) = std::fs::read(Path::new(SKELETON).join(path)) else {
        return false;
    };
    let Ok((file, _)) = crate::reader::open_regular(folder, name) else {
        return false;
    };
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).is_ok() && bytes == skeleton
}

/// Removes all that is in a folder. What is mounted there stays.
pub fn clear(folder: &OwnedFd) -> Result<(), Errno> {
    for name in names(folder)? {
        let removed = match rustix::fs::unlinkat(folder, &name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {
                clear(&open_folder(folder, &name)?)?;
                rustix::fs::unlinkat(folder, &name, AtFlags::REMOVEDIR)
            }
            other => other,
        };
        match removed {
            Ok(()) | Err(Errno::NOENT | Errno::BUSY) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
