//! Limits of the processes of a command (`setrlimit(2)`).

use molt_common::control::ExecLimits;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// Processes and threads of a command's user when the request says nothing. It leaves room below the limit of a sandbox (2,048 in the
/// development engine), so that the agent, whose own processes are not limited by it, can still start one while a command forks without end.
/// Builds with a few hundred processes and threads stay far below it.
const DEFAULT_PROCESSES: u64 = 1_024;

/// Open files of the supervisor: each socket of a page takes two, hundreds of them more than the 1,024 that systems begin with. Without a free one nobody
/// could ask how the sandbox is, and it would be given up. No higher than that, because all that it starts inherits it.
const OPEN_FILES: u64 = 8_192;

/// Lets this process open enough files, as far as the sandbox allows.
///
/// # Errors
/// What the kernel says.
pub fn raise_open_files() -> nix::Result<()> {
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, now.max(OPEN_FILES.min(most)), most)
}

/// What a command's processes may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimits {
    memory_bytes: Option<u64>,
    cpu_seconds: Option<u64>,
    file_bytes: Option<u64>,
    open_files: Option<u64>,
    processes: Option<u64>,
}

impl Rlimits {
    /// Those of a command, with the defaults of commands.
    pub fn of_command(limits: &ExecLimits) -> Self {
        Self {
            memory_bytes: limits.memory_bytes,
            cpu_seconds: limits.cpu_seconds,
            file_bytes: limits.file_bytes,
            open_files: limits.open_files,
            processes: Some(limits.processes.unwrap_or(DEFAULT_PROCESSES)),
        }
    }

    /// Applies them to this process. To be called as the user who it stays: a user with too many processes may not change to another
    /// program if the limit was there when the process became his, and then nobody could start what ends the others.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn apply(&self) -> nix::Result<()> {
        // One more second for the hard limit: at the soft one comes SIGXCPU, which tells why, at the hard one SIGKILL.
        lower(Resource::RLIMIT_CPU, self.cpu_seconds, 1)?;
        lower(Resource::RLIMIT_AS, self.memory_bytes, 0)?;
        lower(Resource::RLIMIT_FSIZE, self.file_bytes, 0)?;
        lower(Resource::RLIMIT_NOFILE, self.open_files, 0)?;
        lower(Resource::RLIMIT_NPROC, self.processes, 0)
    }
}

/// Sets a limit as far as the sandbox allows.
fn lower(resource: Resource, value: Option<u64>, above: u64) -> nix::Result<()> {
    let Some(value) = value else { return Ok(()) };
    let (_, most) = getrlimit(resource)?;
    setrlimit(resource, value.min(most), value.saturating_add(above).min(most))
}
