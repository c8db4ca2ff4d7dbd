//! The last step before a program of the stack starts: ties its life to its guard's and becomes it.
//!
//! A step of its own because the tie must be made by the process itself, after the fork and before the program, and that needs no
//! unsafe code here.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getppid, setsid};

/// Why the program did not start.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The guard ended before the tie was made.
    #[error("the guard is gone")]
    Orphaned,
    /// A call to the system failed.
    #[error("cannot tie the process to its guard: {0}")]
    System(#[from] nix::Error),
    /// The program cannot be executed.
    #[error("cannot execute {program}: {error}")]
    Exec {
        /// The program.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// No program was given.
    #[error("no program given")]
    Empty,
}

/// Becomes `command`, which the kernel kills when the process `guard` ends. Returns only when that fails.
pub fn bound_to(guard: i32, command: &[String]) -> EnterError {
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGKILL) {
        return error.into();
    }
    // The guard may have ended before the line above, and then no signal comes any more.
    if getppid().as_raw() != guard {
        return EnterError::Orphaned;
    }
    // The guard holds its signals back to read them one by one, and a program inherits that.
    if let Err(error) = SigSet::all().thread_unblock() {
        return error.into();
    }
    become_program(command)
}

/// Becomes `command` in a session of its own: for what outlives the stack, such as a browser that was opened.
pub fn detached(command: &[String]) -> EnterError {
    match setsid() {
        Ok(_) => become_program(command),
        Err(error) => error.into(),
    }
}

fn become_program(command: &[String]) -> EnterError {
    let Some((program, arguments)) = command.split_first() else {
        return EnterError::Empty;
    };
    let error = Command::new(program).args(arguments).exec();
    EnterError::Exec {
        program: program.clone(),
        error,
    }
}
