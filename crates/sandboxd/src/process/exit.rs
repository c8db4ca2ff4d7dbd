//! How a process ended.

use std::fmt;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// Observed end of a process: exactly one of the two is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code.
    pub code: Option<i32>,
    /// Number of the signal that ended it.
    pub signal: Option<i32>,
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(formatter, "exit code {code}"),
            (None, Some(number)) => match Signal::try_from(number) {
                Ok(signal) => write!(formatter, "signal {number} ({signal})"),
                Err(_) => write!(formatter, "signal {number}"),
            },
            (None, None) => formatter.write_str("an end that nobody saw"),
        }
    }
}

/// One child that was reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Its process id, free for reuse from now on.
    pub pid: Pid,
    /// How it ended.
    pub exit: Exit,
}

/// What is left after [`reap_ended`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// No child at all.
    Nothing,
    /// Children that have not ended.
    Running,
    /// Perhaps more that have ended: children may end as fast as they are reaped.
    Unknown,
}

/// Most children reaped at once.
const MOST: usize = 256;

/// Reaps children that have ended by now, a few hundred at most, and tells what is left.
pub fn reap_ended() -> (Vec<Reaped>, Left) {
    let mut reaped = Vec::new();
    while reaped.len() < MOST {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => reaped.push(Reaped {
                pid,
                exit: Exit {
                    code: Some(code),
                    signal: None,
                },
            }),
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                reaped.push(Reaped {
                    pid,
                    exit: Exit {
                        code: None,
                        signal: Some(signal as i32),
                    },
                });
            }
            Ok(WaitStatus::StillAlive) => return (reaped, Left::Running),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return (reaped, Left::Nothing),
        }
    }
    (reaped, Left::Unknown)
}
