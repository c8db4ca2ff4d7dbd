//! The process that owns the namespaces of one sandbox network. It makes sockets in there on request and does nothing else, and it
//! is what the sandbox's processes join. A process of its own, because only a single-threaded one can make a user namespace.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::network;
use super::protocol::{Answer, Question, receive, send};
use crate::process::{become_inner_root, die_with_engine};

/// Serves the engine over standard input, a socket. `privileged` says that this is the host's root.
///
/// Returns when the engine has gone, or with an error that the engine has been told.
pub fn run(engine_pid: i32, privileged: bool) -> io::Result<()> {
    let engine = io::stdin();
    let engine = engine.as_fd();
    let outcome = serve(engine, engine_pid, privileged);
    match &outcome {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            drop(send(engine, &Answer::Failed(error.to_string()), &[]));
            outcome
        }
        _ => Ok(()),
    }
}

fn serve(engine: std::os::fd::BorrowedFd<'_>, engine_pid: i32, privileged: bool) -> io::Result<()> {
    die_with_engine(engine_pid)?;
    nix::unistd::setsid()?;
    let enter_user_namespace = || -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| told("make a user namespace", error))?;
        send(engine, &Answer::MapMe, &[])?;
        let (Question::Mapped, _) = receive(engine)? else {
            return Err(io::Error::other("not mapped"));
        };
        become_inner_root()?;
        die_with_engine(engine_pid)
    };
    let make_network = || -> io::Result<(network::Listeners, Option<String>)> {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| told("make a network namespace", error))?;
        let listeners = network::set_up()?;
        let no_way_out = network::open_way_out(listeners.egress.local_addr()?.port()).err();
        Ok((listeners, no_way_out))
    };
    // The host's root makes the network first, so that it stays the host's: nobody inside can ever change its rules.
    let (listeners, no_way_out) = if privileged {
        let made = make_network()?;
        enter_user_namespace()?;
        made
    } else {
        enter_user_namespace()?;
        make_network()?
    };
    // A sandbox has no need for user namespaces of its own, and many faults of the kernel began in one.
    std::fs::write("/proc/sys/user/max_user_namespaces", "0")
        .map_err(|error| io::Error::new(error.kind(), format!("cannot forbid nested user namespaces: {error}")))?;
    let files = [
        listeners.egress.as_raw_fd(),
        listeners.names_udp.as_raw_fd(),
        listeners.names_tcp.as_raw_fd(),
    ];
    send(engine, &Answer::Ready { no_way_out }, &files)?;
    drop(listeners);
    loop {
        match receive::<Question>(engine)?.0 {
            Question::Socket => {
                let made = socket(
                    AddressFamily::Inet,
                    SockType::Stream,
                    SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
                    None,
                );
                match made {
                    Ok(socket) => send(engine, &Answer::Done, &[socket.as_raw_fd()])?,
                    Err(error) => send(engine, &Answer::Failed(error.to_string()), &[])?,
                }
            }
            Question::Remove(path) => match std::fs::remove_dir_all(&path) {
                Ok(()) => send(engine, &Answer::Done, &[])?,
                Err(error) => send(engine, &Answer::Failed(error.to_string()), &[])?,
            },
            Question::Mapped => return Err(io::Error::other("mapped twice")),
        }
    }
}

fn told(what: &str, error: nix::errno::Errno) -> io::Error {
    let error = io::Error::from(error);
    io::Error::new(error.kind(), format!("cannot {what}: {error}"))
}
