//! Lays what a snapshot holds into an empty folder that nobody else writes to.
//!
//! Three passes: everything is created and what goes where is noted; every pack is fetched once and its blobs are written where they belong; owners, modes and
//! times are set. Memory goes by the number of files and blobs, not by bytes.

use crate::abreast;
use crate::beneath;
use crate::failure::{Failure, Outcome};
use crate::node::{entry_name, permissions};
use crate::progress::Progress;
use crate::stored::{Step, Stored};
use rustic_core::repofile::{Node, NodeType, PackId};
use rustic_core::{DataId, jiff::Timestamp};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A run of zeros of this size is left as a hole.
const HOLE: usize = 64 * 1024;

/// Where to, and whose.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// An open folder.
    pub root: &'a OwnedFd,
    /// Its name, for errors.
    pub name: &'a Path,
    /// Owner of what cannot be given to its own.
    pub owner: (u32, u32),
}

/// What was laid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Laid {
    /// Regular files.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// All entries.
    pub paths: u64,
}

/// A blob of a file.
struct Piece {
    blob: DataId,
    file: u32,
    offset: u64,
}

#[derive(Default)]
struct Plan {
    files: Vec<Box<Path>>,
    packs: BTreeMap<PackId, Vec<Piece>>,
    laid: Laid,
}

impl Target<'_> {
    fn failed(&self, doing: &str, path: &Path, error: Errno) -> Failure {
        Failure::disk(doing, &self.name.join(path), &error.into())
    }

    fn locate(&self, path: &Path) -> Outcome<(OwnedFd, std::ffi::OsString)> {
        beneath::parent(self.root, path).map_err(|error| self.failed("opening", path, error))
    }
}

/// Lays `nodes` and all below them.
///
/// # Errors
/// Names the object that is missing or corrupt, or the path that cannot be written. What was laid by then stays: the caller removes it.
pub fn lay(stored: Stored<'_>, nodes: &[Node], target: Target<'_>, progress: &Progress) -> Outcome<Laid> {
    let plan = create(stored, nodes, target)?;
    progress.set_total(plan.laid.files, plan.laid.bytes);
    fill(stored, &plan, target, progress)?;
    stored.walk(nodes.to_vec(), &mut |path, node, step| {
        // A folder's times last, after what was put into it.
        if node.is_dir() == (step == Step::Leave) {
            dress(path, node, target)
        } else {
            Ok(())
        }
    })?;
    rustix::fs::syncfs(target.root).map_err(|error| target.failed("writing to the disk of", Path::new(""), error))?;
    Ok(plan.laid)
}

fn create(stored: Stored<'_>, nodes: &[Node], target: Target<'_>) -> Outcome<Plan> {
    let mut plan = Plan::default();
    let mut links: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let listed = stored.listed_packs()?;
    stored.walk(nodes.to_vec(), &mut |path, node, step| {
        if step == Step::Leave {
            return Ok(());
        }
        let (folder, name) = target.locate(path)?;
        if !node.is_dir() && node.meta.links > 1 && node.meta.device_id != 0 {
            let key = (node.meta.device_id, node.meta.inode);
            if let Some(first) = links.get(&key) {
                let (other, other_name) = target.locate(first)?;
                plan.laid.paths += 1;
                plan.laid.files += u64::from(node.is_file());
                plan.laid.bytes += if node.is_file() { node.meta.size } else { 0 };
                return rustix::fs::linkat(&other, other_name, &folder, name, AtFlags::empty())
                    .map_err(|error| target.failed("linking", path, error));
            }
            links.insert(key, path.to_owned());
        }
        let made = match &node.node_type {
            NodeType::Dir => rustix::fs::mkdirat(&folder, &name, Mode::RWXU),
            NodeType::File => return plan_file(stored, &listed, &mut plan, target, path, node),
            NodeType::Symlink { .. } => rustix::fs::symlinkat(node.node_type.to_link(), &folder, &name),
            NodeType::Fifo => {
                rustix::fs::mknodat(&folder, &name, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            }
            NodeType::Chardev { device } => special(&folder, &name, rustix::fs::FileType::CharacterDevice, *device),
            NodeType::Dev { device } => special(&folder, &name, rustix::fs::FileType::BlockDevice, *device),
            NodeType::Socket => return Ok(()),
        };
        made.map_err(|error| target.failed("making", path, error))?;
        plan.laid.paths += 1;
        Ok(())
    })?;
    Ok(plan)
}

/// A device is made where we may; where not, nobody could have made it in the first place.
fn special(folder: &OwnedFd, name: &OsStr, kind: rustix::fs::FileType, device: u64) -> Result<(), Errno> {
    match rustix::fs::mknodat(folder, name, kind, Mode::RUSR | Mode::WUSR, device) {
        Err(Errno::PERM) => Ok(()),
        other => other,
    }
}

fn plan_file(
    stored: Stored<'_>,
    listed: &HashMap<rustic_core::Id, u32>,
    plan: &mut Plan,
    target: Target<'_>,
    path: &Path,
    node: &Node,
) -> Outcome<()> {
    let (folder, name) = target.locate(path)?;
    let number = u32::try_from(plan.files.len())
        .map_err(|_| Failure::lasting("the snapshot has more files than can be restored"))?;
    let mut size = 0;
    for blob in node.content.iter().flatten() {
        let of_file = |failure: Failure| Failure {
            message: format!("{} (of the file {})", failure.message, path.display()),
            ..failure
        };
        let (pack, length) = stored.place(blob).map_err(of_file)?;
        if !listed.contains_key(&*pack) {
            return Err(of_file(Failure::lasting(format!(
                "pack {} is missing from the repository",
                &*pack.to_hex()
            ))));
        }
        plan.packs.entry(pack).or_default().push(Piece {
            blob: *blob,
            file: number,
            offset: size,
        });
        size += length;
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, &name, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| target.failed("making", path, error))?;
    rustix::fs::ftruncate(&file, size).map_err(|error| target.failed("making", path, error))?;
    plan.files.push(path.into());
    plan.laid.files += 1;
    plan.laid.paths += 1;
    plan.laid.bytes += size;
    Ok(())
}

fn fill(stored: Stored<'_>, plan: &Plan, target: Target<'_>, progress: &Progress) -> Outcome<()> {
    abreast::each(plan.packs.values(), |pieces| {
        fill_from(stored, pieces, plan, target, progress)
    })
}

/// Writes all blobs of one pack.
fn fill_from(
    stored: Stored<'_>,
    pieces: &[Piece],
    plan: &Plan,
    target: Target<'_>,
    progress: &Progress,
) -> Outcome<()> {
    let mut pieces: Vec<&Piece> = pieces.iter().collect();
    // A blob that many files hold is unpacked once.
    pieces.sort_unstable_by_key(|piece| (piece.blob, piece.file, piece.offset));
    for run in pieces.chunk_by(|one, other| one.blob == other.blob) {
        let Some(first) = run.first() else { continue };
        let path = |piece: &Piece| plan.files.get(piece.file as usize).map_or(Path::new(""), |path| path);
        let bytes = stored.data(&first.blob).map_err(|failure| Failure {
            message: format!("{} (of the file {})", failure.message, path(first).display()),
            ..failure
        })?;
        for piece in run {
            let path = path(piece);
            let (folder, name) = target.locate(path)?;
            let file = rustix::fs::openat(
                &folder,
                name,
                OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(|error| target.failed("writing", path, error))?;
            write(&File::from(file), &bytes, piece.offset)
                .map_err(|error| Failure::disk("writing", &target.name.join(path), &error))?;
            progress.add_bytes(bytes.len() as u64);
        }
    }
    Ok(())
}

fn write(file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    let mut at = offset;
    for part in bytes.chunks(HOLE) {
        if part.len() < HOLE || part.iter().any(|byte| *byte != 0) {
            file.write_all_at(part, at)?;
        }
        at += part.len() as u64;
    }
    Ok(())
}

/// Gives an entry its owner, attributes, mode and times.
fn dress(path: &Path, node: &Node, target: Target<'_>) -> Outcome<()> {
    if node.node_type == NodeType::Socket {
        return Ok(());
    }
    let (folder, name) = target.locate(path)?;
    let failed = |error| target.failed("setting owner, mode and times of", path, error);
    let owner = (
        node.meta.uid.unwrap_or(target.owner.0),
        node.meta.gid.unwrap_or(target.owner.1),
    );
    let nofollow = AtFlags::SYMLINK_NOFOLLOW;
    if rustix::process::geteuid().is_root() {
        rustix::fs::chownat(
            &folder,
            &name,
            Some(Uid::from_raw(owner.0)),
            Some(Gid::from_raw(owner.1)),
            nofollow,
        )
        .or_else(absent_device(node))
        .map_err(failed)?;
    } else {
        // Only root gives files away: they are ours, and ours is what the caller named.
        let _ = rustix::fs::chownat(
            &folder,
            &name,
            Some(Uid::from_raw(target.owner.0)),
            Some(Gid::from_raw(target.owner.1)),
            nofollow,
        );
    }
    let full = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(&name);
    for attribute in &node.meta.extended_attributes {
        let value = attribute.value.as_deref().unwrap_or_default();
        match rustix::fs::lsetxattr(&full, attribute.name.as_str(), value, XattrFlags::empty()) {
            // Kept where the disk and our rights allow it.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(error) => return Err(target.failed("setting an attribute of", path, error)),
        }
    }
    if let (Some(mode), false) = (node.meta.mode, node.is_symlink()) {
        // Nobody else writes here, so that no link can have come in its place.
        rustix::fs::chmodat(&folder, &name, Mode::from_raw_mode(permissions(mode)), AtFlags::empty())
            .or_else(absent_device(node))
            .map_err(failed)?;
    }
    let time = |time: Option<Timestamp>| {
        time.map_or(
            Timespec {
                tv_sec: 0,
                tv_nsec: rustix::fs::UTIME_OMIT,
            },
            |time| {
                // Before 1970 the library counts both parts backwards.
                let nanoseconds = i64::from(time.subsec_nanosecond());
                Timespec {
                    tv_sec: time.as_second() - i64::from(nanoseconds < 0),
                    tv_nsec: nanoseconds.rem_euclid(1_000_000_000) as _,
                }
            },
        )
    };
    let times = Timestamps {
        last_access: time(node.meta.atime),
        last_modification: time(node.meta.mtime),
    };
    rustix::fs::utimensat(&folder, &name, &times, nofollow)
        .or_else(absent_device(node))
        .map_err(failed)
}

/// A device that we might not make is not there.
fn absent_device(node: &Node) -> impl Fn(Errno) -> Result<(), Errno> {
    let device = matches!(node.node_type, NodeType::Chardev { .. } | NodeType::Dev { .. });
    move |error| {
        if device && error == Errno::NOENT {
            Ok(())
        } else {
            Err(error)
        }
    }
}

/// A node under another name.
///
/// # Errors
/// When the node's own name is none.
pub fn renamed(node: &Node, name: &OsStr) -> Outcome<Node> {
    entry_name(node).map_err(|error| Failure::lasting(format!("{:?} {error}", node.name)))?;
    let mut renamed = Node::new_node(name, node.node_type.clone(), node.meta.clone());
    renamed.content.clone_from(&node.content);
    renamed.subtree = node.subtree;
    Ok(renamed)
}
