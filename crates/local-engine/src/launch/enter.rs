//! The last step into a container: the first code that runs inside, as process 1, before the program of the image.
//!
//! Bubblewrap leaves the capability bounding set full and some descriptors open. Here both go, and the engine is told whether the
//! program could be run.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, FromRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use caps::{CapSet, Capability, CapsHashSet};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::spec::CAPABILITIES;

/// What the engine reads when this code has begun to run.
pub const ENTERED: &str = "entered\n";

/// Runs `program` with `args` in place of this process. `report_fd` is the pipe to the engine; it closes when the program runs, and
/// carries the reason when it does not. Returns only with an error.
pub fn run(report_fd: RawFd, program: &str, args: &[String]) -> io::Result<Infallible> {
    // SAFETY: the launcher left this descriptor open for us, and nothing else here knows it.
    let mut report = unsafe { File::from_raw_fd(report_fd) };
    report.write_all(ENTERED.as_bytes())?;
    let error = match shed() {
        Ok(()) => {
            let error = Command::new(program).args(args).exec();
            io::Error::new(error.kind(), format!("cannot run {program}: {error}"))
        }
        Err(error) => error,
    };
    report.write_all(error.to_string().as_bytes())?;
    Err(error)
}

/// Lets go of what the program must not have.
fn shed() -> io::Result<()> {
    let kept = CAPABILITIES.iter().map(|name| name.parse::<Capability>());
    let kept = kept.collect::<Result<CapsHashSet, _>>().map_err(io::Error::other)?;
    for capability in caps::runtime::thread_all_supported() {
        if !kept.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability).map_err(io::Error::other)?;
        }
    }
    // Ambient and inheritable capabilities would follow the program across a change of user.
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        caps::clear(None, set).map_err(io::Error::other)?;
    }
    caps::set(None, CapSet::Effective, &kept).map_err(io::Error::other)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(io::Error::other)?;
    close_on_exec()
}

/// Marks every descriptor but the standard ones to be closed when the program runs.
fn close_on_exec() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else {
            continue;
        };
        if number > 2 {
            // SAFETY: only the flag of an open descriptor is changed; the one of this listing is closed soon after, whose error is nothing.
            let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
            fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok();
        }
    }
    Ok(())
}
