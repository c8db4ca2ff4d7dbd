//! Reading one file of the home, which changes meanwhile.

use crate::databases::{Version, version};
use crate::findings::Findings;
use crate::unread::Unread;
use rustic_core::jiff::Timestamp;
use rustic_core::{ErrorKind, ReadSourceOpen, RusticError, RusticResult};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::time::ClockId;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a file of the home is opened once its bytes are needed.
#[derive(Debug)]
pub enum Open {
    /// As it lies there.
    Live {
        /// Its folder.
        folder: Arc<OwnedFd>,
        /// Its name there.
        name: OsString,
        /// Its path below the home.
        path: PathBuf,
        /// Its bytes, as its entry says.
        unread: Unread,
        /// When it changed last, as its entry says.
        changed: Option<Timestamp>,
        /// What its entry was made of.
        met: Version,
        /// Where what goes wrong is told.
        findings: Arc<Findings>,
    },
    /// A copy that stands for it, removed once it was read.
    Copy {
        /// The copy.
        copy: Staged,
        /// Its bytes.
        unread: Unread,
        /// Its path below the home.
        path: PathBuf,
        /// Where what goes wrong is told.
        findings: Arc<Findings>,
    },
    /// A database that was not copied, since it had not changed; its copy is needed after all.
    Skipped {
        /// Bytes of the copy that was made before.
        _unread: Unread,
        /// Its path below the home.
        path: PathBuf,
        /// Where this is told.
        findings: Arc<Findings>,
    },
}

/// A copy in the supervisor's own folder, removed when dropped.
#[derive(Debug)]
pub struct Staged {
    /// Where.
    pub file: PathBuf,
    /// Bytes.
    pub size: u64,
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What stays behind is removed when the next order begins.
        for ending in ["", "-wal", "-shm", "-journal"] {
            let mut path = self.file.clone().into_os_string();
            path.push(ending);
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Reads exactly as many bytes as the entry says: what was written since belongs to the next snapshot.
#[derive(Debug)]
pub struct Reader {
    file: File,
    unread: Unread,
    path: PathBuf,
    findings: Arc<Findings>,
    /// What its entry was made of, of a file that the agent may write to.
    met: Option<Version>,
    _copy: Option<Staged>,
}

fn skipped(path: &Path, why: &str) -> Box<RusticError> {
    RusticError::new(ErrorKind::InputOutput, format!("{}: {why}", path.display()))
}

/// Opens a regular file by its name in a folder, through no link and without waiting for whoever is at the other end of a FIFO.
///
/// # Errors
/// Those of `openat`; `ELOOP` where it is no regular file any more.
pub fn open_regular(folder: &OwnedFd, name: &std::ffi::OsStr) -> Result<(File, Stat), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::LOOP);
    }
    Ok((File::from(file), stat))
}

/// Waits until the file system's clock has left the tick in which something was changed. A change within the same tick after our reading would leave the
/// same times behind, and the next snapshot would take the file for unchanged.
pub fn wait_for_next_tick(changed: Option<Timestamp>) {
    let Some(changed) = changed else { return };
    // A clock that was set back is not waited for.
    for _ in 0..16 {
        let now = rustix::time::clock_gettime(ClockId::RealtimeCoarse);
        if (now.tv_sec, now.tv_nsec) > (changed.as_second(), i64::from(changed.subsec_nanosecond())) {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl ReadSourceOpen for Open {
    type Reader = Reader;

    fn open(self) -> RusticResult<Reader> {
        match self {
            Self::Live {
                folder,
                name,
                path,
                unread,
                changed,
                met,
                findings,
            } => {
                wait_for_next_tick(changed);
                match open_regular(&folder, &name) {
                    // Bytes of the new one under the old one's size and times would be neither.
                    Ok((_, stat)) if stat.st_ino != met.0 => {
                        findings.unsteady(&path);
                        Err(skipped(&path, "was replaced"))
                    }
                    Ok((_, stat)) if stat.st_size < i64::try_from(unread.left()).unwrap_or(i64::MAX) => {
                        findings.unsteady(&path);
                        Err(skipped(&path, "became shorter"))
                    }
                    Ok((file, _)) => {
                        let reader = Reader {
                            file,
                            unread,
                            path,
                            findings,
                            met: Some(met),
                            _copy: None,
                        };
                        reader.look_again();
                        Ok(reader)
                    }
                    // It is gone: the next snapshot sees what came in its place.
                    Err(Errno::NOENT) => Err(skipped(&path, "vanished")),
                    Err(Errno::LOOP | Errno::NXIO) => Err(skipped(&path, "is no file any more")),
                    Err(error) => {
                        findings.unreadable(&path, &error.to_string());
                        Err(skipped(&path, "cannot be opened"))
                    }
                }
            }
            Self::Copy {
                copy,
                unread,
                path,
                findings,
            } => match File::open(&copy.file) {
                Ok(file) => Ok(Reader {
                    file,
                    unread,
                    path,
                    findings,
                    met: None,
                    _copy: Some(copy),
                }),
                Err(error) => {
                    findings.unreadable(&path, &format!("its copy: {error}"));
                    Err(skipped(&path, "its copy cannot be opened"))
                }
            },
            Self::Skipped { path, findings, .. } => {
                findings.unsteady(&path);
                Err(skipped(&path, "is to be copied after all"))
            }
        }
    }
}

/// Whether a file was written to since it was `met`. Of one that has no name any more, since another came in its place, that alone set the last time.
pub fn was_written_to(met: Version, now: &Stat) -> bool {
    let (inode, size, seconds, nanoseconds, ..) = version(now);
    version(now) != met && (now.st_nlink > 0 || (inode, size, seconds, nanoseconds) != (met.0, met.1, met.2, met.3))
}

impl Reader {
    /// Once all was read: one that was written to since its entry was made may be torn. That it only grew cannot be told from one that was written anew.
    fn look_again(&self) {
        let Some(met) = self.met.filter(|_| self.unread.left() == 0) else {
            return;
        };
        if rustix::fs::fstat(&self.file).is_ok_and(|now| was_written_to(met, &now)) {
            self.findings.unsteady(&self.path);
        }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.unread.left())
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(room) = buffer.get_mut(..most) else {
            return Ok(0);
        };
        match self.file.read(room) {
            Ok(0) if most > 0 => {
                self.findings.unsteady(&self.path);
                Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "became shorter while it was read",
                ))
            }
            Ok(count) => {
                self.unread.read(count as u64);
                if count > 0 {
                    self.look_again();
                }
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.findings.unreadable(&self.path, &error.to_string());
                Err(error)
            }
        }
    }
}
