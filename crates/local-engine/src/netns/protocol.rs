//! The conversation between the engine and the process that holds a network namespace: strictly one question, one answer, over a
//! stream of sockets that can carry open files.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Bytes of the longest message.
const LONGEST: usize = 16 * 1024;
/// Open files in one message at most.
const MOST_FILES: usize = 3;

/// What the engine says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Question {
    /// Your ids are mapped: go on.
    Mapped,
    /// Make a TCP socket in the namespace.
    Socket,
    /// Remove a directory whose files belong to ids that only the user namespace can act for.
    Remove(PathBuf),
}

/// What the holder says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// My user namespace is there: map my ids.
    MapMe,
    /// The network is up. Comes with [`READY_FILES`] open files: the listener for what leaves, and the name service over UDP and TCP.
    Ready {
        /// Why nothing can leave the namespace, if so.
        no_way_out: Option<String>,
    },
    /// Done; after [`Question::Socket`] with one open file.
    Done,
    /// It did not work, and this is why.
    Failed(String),
}

/// Open files that come with [`Answer::Ready`].
pub const READY_FILES: usize = 3;

/// Sends one message. Blocks, or answers `WouldBlock` on a non-blocking socket.
pub fn send(socket: BorrowedFd<'_>, message: &impl Serialize, files: &[RawFd]) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let rights = [ControlMessage::ScmRights(files)];
    let control: &[ControlMessage<'_>] = if files.is_empty() { &[] } else { &rights };
    let sent = sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(&text)],
        control,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    if sent == text.len() {
        Ok(())
    } else {
        Err(io::Error::other("message cut short"))
    }
}

/// Receives one message and the files that came with it. `UnexpectedEof` when the other side has gone.
pub fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> io::Result<(T, Vec<OwnedFd>)> {
    let mut text = vec![0; LONGEST];
    let mut space = nix::cmsg_space!([RawFd; MOST_FILES]);
    let (length, files) = {
        let mut parts = [IoSliceMut::new(&mut text)];
        let message = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        let mut files = Vec::new();
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(received) = control {
                // SAFETY: the kernel has just opened these descriptors for us, and nobody else knows them.
                files.extend(received.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        (message.bytes, files)
    };
    let text = text.get(..length).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    Ok((serde_json::from_slice(text)?, files))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn an_open_file_arrives_with_its_message() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"hello").unwrap();
        send(ours.as_fd(), &Answer::Done, &[file.as_raw_fd()]).unwrap();
        let (answer, files) = receive::<Answer>(theirs.as_fd()).unwrap();
        assert!(matches!(answer, Answer::Done));
        let mut received = File::from(files.into_iter().next().unwrap());
        std::io::Seek::rewind(&mut received).unwrap();
        let mut text = String::new();
        received.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn the_end_of_the_other_side_is_told() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert_eq!(
            receive::<Answer>(ours.as_fd()).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}
