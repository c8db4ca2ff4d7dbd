//! What a child does between `fork` and `exec`: own session, other user, no way back to privileges.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Uid, chdir, getgroups, setgid, setgroups, setsid, setuid};
use serde::{Deserialize, Serialize};

use super::rlimits::Rlimits;
use crate::settings::Layout;

/// Added to the error number of a refused working directory, so that the parent can tell it from a refused program.
const CWD_ERROR_OFFSET: i32 = 100_000;

/// User and group that a child becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// User id.
    pub uid: u32,
    /// Group id, the only group.
    pub gid: u32,
}

impl Ids {
    /// `ids` when this process is root and can become someone else, otherwise nothing: then children stay who we are.
    fn when_root(uid: u32, gid: u32) -> Option<Self> {
        Uid::effective().is_root().then_some(Self { uid, gid })
    }
}

/// How a child is confined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Who it becomes; nothing when it stays who we are.
    pub ids: Option<Ids>,
    /// Where it starts.
    pub cwd: PathBuf,
    /// 0 to 1000: how readily the kernel ends it when memory is short.
    pub oom_score_adj: u16,
    /// How far it gives way to others when processors are short (`nice(2)`); never below 0.
    pub niceness: u8,
    /// What its processes may use.
    pub rlimits: Rlimits,
}

impl Confinement {
    /// For what belongs to the agent's user: the agent itself, commands, and what writes into its home.
    pub fn of_agent_user(layout: &Layout, cwd: PathBuf, oom_score_adj: u16) -> Self {
        Self {
            ids: Ids::when_root(layout.agent_uid, layout.agent_gid),
            cwd,
            oom_score_adj,
            niceness: 0,
            rlimits: Rlimits::default(),
        }
    }

    /// The same for another user of the same group.
    ///
    /// # Errors
    /// When this process cannot become somebody else.
    pub fn with_user(mut self, uid: u32) -> Result<Self, CannotChangeUser> {
        match &mut self.ids {
            Some(ids) => ids.uid = uid,
            None if Uid::effective().as_raw() == uid => {}
            None => return Err(CannotChangeUser),
        }
        Ok(self)
    }
}

/// The supervisor is not root, so everything runs as its own user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotChangeUser;

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cwd {path}: {source}", path = path.display())]
    Cwd { path: PathBuf, source: io::Error },
    #[error("cannot start {program}: {source}")]
    Program { program: String, source: io::Error },
}

impl StartError {
    /// Sorts the error of `Command::spawn` after [`confine`].
    pub fn new(error: io::Error, program: &str, cwd: &Path) -> Self {
        match error.raw_os_error() {
            Some(number) if number >= CWD_ERROR_OFFSET => Self::Cwd {
                path: cwd.to_owned(),
                source: io::Error::from_raw_os_error(number - CWD_ERROR_OFFSET),
            },
            _ => Self::Program {
                program: program.to_owned(),
                source: error,
            },
        }
    }
}

/// Makes `command` start as `confinement` says. The child leads its own session, ends when the thread that started it ends, cannot gain
/// privileges by a set-user-id program, and leaves no core file.
pub fn confine(command: &mut Command, confinement: &Confinement) -> io::Result<()> {
    let cwd = CString::new(confinement.cwd.as_os_str().as_bytes())?;
    let oom_score_adj = CString::new(confinement.oom_score_adj.min(1000).to_string())?;
    let (ids, rlimits) = (confinement.ids, confinement.rlimits);
    let niceness = i32::from(confinement.niceness);
    // SAFETY: the closure runs in the forked child and only makes system calls on values prepared above; it does not allocate.
    unsafe {
        command.pre_exec(move || {
            // The fork inherits "undumpable", with which it could not even write its own file in /proc.
            prctl::set_dumpable(true)?;
            raise_oom_score(&oom_score_adj);
            give_way(niceness);
            setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
            setsid()?;
            if let Some(Ids { uid, gid }) = ids {
                drop_groups()?;
                setgid(Gid::from_raw(gid))?;
                setuid(Uid::from_raw(uid))?;
            }
            rlimits.apply()?;
            prctl::set_no_new_privs()?;
            // After the change of user, which clears it.
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            chdir(cwd.as_c_str()).map_err(|error| io::Error::from_raw_os_error(error as i32 + CWD_ERROR_OFFSET))
        });
    }
    Ok(())
}

/// Makes `command` start with no signal blocked. A child inherits the mask of the thread that starts it, and `init` blocks what it reads
/// from a descriptor.
pub fn unblock_signals(command: &mut Command) {
    // SAFETY: the closure makes one system call in the forked child.
    unsafe {
        command.pre_exec(|| Ok(SigSet::empty().thread_set_mask()?));
    }
}

/// A user namespace may forbid `setgroups`; that is fine as long as there is nothing to drop.
fn drop_groups() -> nix::Result<()> {
    match setgroups(&[]) {
        Err(Errno::EPERM) if getgroups().is_ok_and(|groups| groups.is_empty()) => Ok(()),
        other => other,
    }
}

/// Giving way needs no privilege; should it fail all the same, the program runs as it is.
fn give_way(niceness: i32) {
    // SAFETY: a system call on numbers; its answer is a number too.
    unsafe {
        libc::nice(niceness);
    }
}

/// A machine without this file ends processes in the order it likes; that is no reason not to start.
fn raise_oom_score(value: &CString) {
    // SAFETY: plain system calls on a constant path and a buffer that outlives them.
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::write(file, value.as_ptr().cast(), value.as_bytes().len());
            libc::close(file);
        }
    }
}
