//! Listens to the network of a sandbox: every frame on every interface of its namespace, loopback too.

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Longest frame: what the kernel joins before it shows it.
const FRAME: usize = 256 * 1024;
/// Kept at most; a test says little.
const MOST: usize = 256 << 20;
/// Bytes that the kernel keeps for a listener who is slow.
const BUFFER: usize = 16 << 20;
/// Between two looks whether it is over.
const PATIENCE_MS: i64 = 100;

/// A listener, until [`Tap::heard`].
pub struct Tap {
    over: Arc<AtomicBool>,
    listening: JoinHandle<Vec<u8>>,
}

impl Tap {
    /// Listens from now on in the network namespace of a process.
    ///
    /// # Panics
    /// When that is not allowed.
    #[must_use]
    pub fn on(pid: i32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&over);
        let (ready, listens) = std::sync::mpsc::channel();
        // A thread of its own: the namespace is that of the thread.
        let listening = std::thread::spawn(move || {
            let socket = open(pid).expect("a socket in the sandbox's network");
            ready.send(()).expect("somebody waits");
            listen(&socket, &asked)
        });
        listens.recv().expect("it listens");
        Self { over, listening }
    }

    /// Everything that was heard, one frame after the other.
    ///
    /// # Panics
    /// When it was more than is kept.
    #[must_use]
    pub fn heard(self) -> Vec<u8> {
        self.over.store(true, Ordering::SeqCst);
        self.listening.join().expect("the listener")
    }
}

fn open(pid: i32) -> nix::Result<OwnedFd> {
    let network = File::open(format!("/proc/{pid}/ns/net")).map_err(|_| Errno::ESRCH)?;
    setns(network, CloneFlags::CLONE_NEWNET)?;
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(PATIENCE_MS))?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    Ok(socket)
}

fn listen(socket: &OwnedFd, over: &AtomicBool) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut frame = vec![0; FRAME];
    loop {
        match recv(socket.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            Ok(length) => heard.extend_from_slice(&frame[..length]),
            Err(Errno::EAGAIN | Errno::EINTR) if over.load(Ordering::SeqCst) => return heard,
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => panic!("the sandbox's network cannot be heard: {error}"),
        }
        assert!(heard.len() < MOST, "too much is said");
    }
}
