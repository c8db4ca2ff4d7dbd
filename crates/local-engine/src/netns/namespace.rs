//! The engine's side of a network namespace.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::Interest;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use super::protocol::{Answer, Question, READY_FILES, receive, send};
use crate::identity::{Identity, Ids};
use crate::launch::spawner::Spawner;

/// Why there is no network namespace.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// All ranges of ids are in use.
    #[error("every range of user ids is taken: too many sandboxes")]
    NoRange,
    /// The kernel or the machine's rules do not allow it.
    #[error("cannot make the namespaces of a sandbox: {0}")]
    Io(#[from] io::Error),
}

type Asked = (Question, oneshot::Sender<io::Result<Vec<OwnedFd>>>);

/// A network namespace and the user namespace beside it. Both end, with the process that holds them, when this is dropped.
#[derive(Debug)]
pub struct NetworkNamespace {
    pid: u32,
    ids: Ids,
    questions: mpsc::Sender<Asked>,
    /// Killed on drop.
    _holder: Child,
}

/// A namespace that has just been made, with the listeners inside it.
#[derive(Debug)]
pub struct Opened {
    /// The namespace.
    pub namespace: NetworkNamespace,
    /// Where outgoing TCP connections end up.
    pub egress: TcpListener,
    /// The name service.
    pub names_udp: UdpSocket,
    /// The name service for long answers.
    pub names_tcp: TcpListener,
    /// Why nothing can leave the namespace, if so.
    pub no_way_out: Option<String>,
}

impl NetworkNamespace {
    /// Makes a namespace. `program` is this engine's own executable.
    pub async fn open(spawner: &Spawner, identity: &Identity, program: &Path) -> Result<Opened, NamespaceError> {
        let ids = identity.assign().ok_or(NamespaceError::NoRange)?;
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let engine = UnixStream::from_std(ours)?;
        let mut command = Command::new(program);
        command
            .arg0("local-engine")
            .args(["__hold", &std::process::id().to_string()])
            .args(identity.privileged().then_some("--privileged"))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null());
        let holder = spawner.spawn(command).await?;
        let pid = holder
            .id()
            .ok_or_else(|| io::Error::other("the holder ended at once"))?;

        if let (Answer::MapMe, _) = hear(&engine).await? {
            identity.map(pid, &ids).await?;
        } else {
            return Err(unexpected().into());
        }
        say(&engine, &Question::Mapped).await?;
        let (Answer::Ready { no_way_out }, files) = hear(&engine).await? else {
            return Err(unexpected().into());
        };
        let files: [OwnedFd; READY_FILES] = files.try_into().map_err(|_| unexpected())?;
        let [egress, names_udp, names_tcp] = files;

        let (questions, asked) = mpsc::channel(64);
        tokio::spawn(converse(engine, asked));
        Ok(Opened {
            namespace: Self {
                pid,
                ids,
                questions,
                _holder: holder,
            },
            egress: listener(egress)?,
            names_udp: {
                let socket = std::net::UdpSocket::from(names_udp);
                socket.set_nonblocking(true)?;
                UdpSocket::from_std(socket)?
            },
            names_tcp: listener(names_tcp)?,
            no_way_out,
        })
    }

    /// Process id of the holder, on the host.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The ids of this sandbox.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// File by which a process joins the network.
    pub fn network_file(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.pid).into()
    }

    /// File by which a process joins the users.
    pub fn user_file(&self) -> PathBuf {
        format!("/proc/{}/ns/user", self.pid).into()
    }

    /// Connects to an address as seen inside.
    pub async fn connect(&self, address: SocketAddrV4) -> io::Result<TcpStream> {
        let socket = self
            .ask(Question::Socket)
            .await?
            .into_iter()
            .next()
            .ok_or_else(unexpected)?;
        // The socket belongs to the namespace that it was made in, whoever connects it.
        let socket = TcpSocket::from_std_stream(std::net::TcpStream::from(socket));
        socket.connect(address.into()).await
    }

    /// Removes a directory with files of any id of this sandbox.
    pub async fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.ask(Question::Remove(path.to_owned())).await.map(drop)
    }

    async fn ask(&self, question: Question) -> io::Result<Vec<OwnedFd>> {
        let (answer, answered) = oneshot::channel();
        let gone = || io::Error::other("the network has ended");
        self.questions.send((question, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// Puts one question after the other. A task of its own: a caller that gives up in the middle must not leave an answer for the next.
async fn converse(holder: UnixStream, mut asked: mpsc::Receiver<Asked>) {
    while let Some((question, answer)) = asked.recv().await {
        let outcome = async {
            say(&holder, &question).await?;
            let (Answer::Done, files) = hear(&holder).await? else {
                return Err(unexpected());
            };
            Ok(files)
        };
        drop(answer.send(outcome.await));
    }
}

async fn say(holder: &UnixStream, question: &Question) -> io::Result<()> {
    holder
        .async_io(Interest::WRITABLE, || send(holder.as_fd(), question, &[]))
        .await
}

/// The next answer; one that tells of a failure is the error.
async fn hear(holder: &UnixStream) -> io::Result<(Answer, Vec<OwnedFd>)> {
    match holder
        .async_io(Interest::READABLE, || receive::<Answer>(holder.as_fd()))
        .await
    {
        Ok((Answer::Failed(reason), _)) => Err(io::Error::other(reason)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(io::Error::other("the process that holds the network ended"))
        }
        other => other,
    }
}

fn listener(file: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(file);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn unexpected() -> io::Error {
    io::Error::other("unexpected answer from the process that holds the network")
}
