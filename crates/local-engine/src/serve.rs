//! `local-engine serve`: from its arguments to its end.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::stat::{Mode, umask};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::api;
use crate::cli::ServeArgs;
use crate::engine::{Engine, SetUpError};
use crate::forward::{self, Internet};
use crate::images::{Images, ImagesError};
use crate::run_dir::{RunDir, RunDirError};

/// How often the engine looks whether its parent is still there.
const PARENT_CHECK: Duration = Duration::from_millis(250);

/// Why the engine does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The images file is no good.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// The run directory is no good.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The machine is no good.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The socket cannot be had.
    #[error("cannot listen at {0}: {1}")]
    Socket(PathBuf, io::Error),
    /// Something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves until TERM or INT, or until the process that started the engine has ended. All containers are gone then.
pub async fn serve(args: ServeArgs) -> Result<(), ServeError> {
    let parent = std::os::unix::process::parent_id();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    raise_file_limit();
    let images = Images::load(&args.images)?;
    let run_dir = RunDir::open(&args.run_dir)?;
    let forwarded = match args.forward_port {
        Some(port) => Some((
            Internet::new(args.internet_host, args.internet_ca.as_deref())?,
            tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await?,
        )),
        None => None,
    };
    let listener = listen(&args.socket).map_err(|error| ServeError::Socket(args.socket.clone(), error))?;
    let engine = match Engine::set_up(run_dir, images, args.allow_host, args.max_containers).await {
        Ok(engine) => engine,
        Err(error) => {
            drop(std::fs::remove_file(&args.socket));
            return Err(error.into());
        }
    };
    if let Some((internet, listener)) = forwarded {
        tokio::spawn(forward::serve(std::sync::Arc::new(internet), listener));
    }
    let server = tokio::spawn(api::serve(std::sync::Arc::clone(&engine), listener));
    tracing::info!(socket = %args.socket.display(), "serving");

    tokio::select! {
        _ = term.recv() => tracing::info!("TERM: stopping"),
        _ = int.recv() => tracing::info!("INT: stopping"),
        () = orphaned(parent) => tracing::warn!("the process that started the engine has ended: stopping"),
    }
    drop(std::fs::remove_file(&args.socket));
    let hurry = async {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    };
    engine.shut_down(Duration::from_secs(args.grace), hurry).await;
    server.abort();
    tracing::info!("stopped");
    Ok(())
}

/// Ready when the process that started this one has ended.
async fn orphaned(parent: u32) {
    while std::os::unix::process::parent_id() == parent {
        tokio::time::sleep(PARENT_CHECK).await;
    }
}

/// Listens at `path`, for this user alone. A socket that nobody listens at any more is replaced.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "it is there and is no socket",
            ));
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another engine listens there"));
        }
        Ok(_) => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    // The socket must never be open to others, not even for the moment before a change of its mode.
    let before = umask(Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}

/// Every connection through the engine takes two files.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok();
    }
}
