//! What the engine's helper processes have in common: they end with it, and they shed its identity.

use std::io;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, getppid, setgroups, setresgid, setresuid};

/// Asks the kernel to kill this process when the engine ends, and fails if it has ended already. The kernel forgets the wish when
/// the user of the process changes, so it must be repeated after that.
pub fn die_with_engine(engine_pid: i32) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid().as_raw() != engine_pid {
        return Err(io::Error::other("the engine has ended"));
    }
    Ok(())
}

/// Becomes user and group 0 of the user namespace that this process has just joined or made.
pub fn become_inner_root() -> io::Result<()> {
    match setgroups(&[]) {
        // Denied where only one id is mapped; there are no other groups to lose then.
        Ok(()) | Err(nix::errno::Errno::EPERM) => {}
        Err(error) => return Err(error.into()),
    }
    let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    Ok(())
}
