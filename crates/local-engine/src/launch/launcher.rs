//! The short-lived process between the engine and bubblewrap: it joins the sandbox's namespaces, gives up the host's identity and
//! becomes bubblewrap. A process of its own, because joining a user namespace is only possible with a single thread.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;

use super::root_files::Owned;
use super::spec::LaunchSpec;
use crate::process::{become_inner_root, die_with_engine};

/// Where the binds are gathered for a user who could not walk to their sources. Covered in this process's own mount namespace only,
/// and covered again by bubblewrap, which builds its new root in the same place.
const STAGE: &str = "/tmp";

/// Reads a [`LaunchSpec`] from standard input and becomes the container. Returns only with an error.
pub fn run() -> io::Result<std::convert::Infallible> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    let spec: LaunchSpec = serde_json::from_slice(&text)?;
    die_with_engine(spec.engine_pid)?;
    // Ctrl-C in the terminal of the engine is the engine's to handle.
    nix::unistd::setsid()?;
    let empty = File::open("/dev/null")?;
    nix::unistd::dup2_stdin(&empty)?;

    let inside = own_program()?;
    let sources = if spec.privileged {
        stage(&spec)?
    } else {
        own_sources(&spec)
    };
    let join = |path: &Path, kind: CloneFlags| -> io::Result<()> {
        setns(File::open(path)?, kind).map_err(|error| context("join", path, error))
    };
    // The host's root owns the network namespace and loses its powers with the user namespace; anyone else has powers only in there.
    if spec.privileged {
        let user = File::open(&spec.user_namespace)?;
        join(&spec.network_namespace, CloneFlags::CLONE_NEWNET)?;
        setns(user, CloneFlags::CLONE_NEWUSER)?;
    } else {
        let network = File::open(&spec.network_namespace)?;
        join(&spec.user_namespace, CloneFlags::CLONE_NEWUSER)?;
        setns(network, CloneFlags::CLONE_NEWNET)?;
    }
    become_inner_root()?;
    die_with_engine(spec.engine_pid)?;
    if !spec.privileged {
        give_away(&spec.owned)?;
    }

    let options = options_file(&spec.options(&sources))?;
    let error = Command::new(&spec.bubblewrap)
        .env_clear()
        .arg("--args")
        .arg(options.as_raw_fd().to_string())
        .arg("--")
        .arg(format!("/proc/self/fd/{}", inside.as_raw_fd()))
        .args(["__enter", &spec.report_fd.to_string(), "--"])
        .args(&spec.argv)
        .exec();
    Err(context("run", &spec.bubblewrap, error))
}

/// This program, open for the last step inside, where its path leads nowhere.
fn own_program() -> io::Result<OwnedFd> {
    Ok(open("/proc/self/exe", OFlag::O_PATH, Mode::empty())?)
}

fn context(verb: &str, path: &Path, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("cannot {verb} {}: {error}", path.display()))
}

/// Gives directories to ids that only this user namespace has. Where it has a single id, they stay with that one.
fn give_away(owned: &[Owned]) -> io::Result<()> {
    for Owned { path, id } in owned {
        match std::os::unix::fs::chown(path, Some(*id), Some(*id)) {
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => return Err(context("give away", path, error)),
            _ => {}
        }
    }
    Ok(())
}

fn own_sources(spec: &LaunchSpec) -> Vec<PathBuf> {
    spec.binds.iter().map(|bind| bind.source.clone()).collect()
}

/// Makes every bind reachable at `STAGE/<n>`, in a mount namespace of this process.
fn stage(spec: &LaunchSpec) -> io::Result<Vec<PathBuf>> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )?;
    let opened = spec
        .binds
        .iter()
        .map(|bind| {
            open(&bind.source, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
                .map_err(|error| context("open", &bind.source, error))
        })
        .collect::<io::Result<Vec<OwnedFd>>>()?;
    mount(
        Some("stage"),
        STAGE,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=0755,size=1m"),
    )?;
    let mut places = Vec::with_capacity(opened.len());
    for (number, (bind, fd)) in spec.binds.iter().zip(&opened).enumerate() {
        let place = Path::new(STAGE).join(number.to_string());
        if is_directory(fd)? {
            std::fs::create_dir(&place)?;
        } else {
            File::create(&place)?;
        }
        let source = format!("/proc/self/fd/{}", fd.as_raw_fd());
        mount(
            Some(source.as_str()),
            &place,
            None::<&str>,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            None::<&str>,
        )
        .map_err(|error| context("bind", &bind.source, error))?;
        places.push(place);
    }
    Ok(places)
}

/// Whether what was opened is a directory; its path itself may be covered by the stage by now.
fn is_directory(fd: &OwnedFd) -> io::Result<bool> {
    let stat = nix::sys::stat::fstat(fd)?;
    Ok(stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFDIR)
}

/// The options in a file without a name, NUL-terminated: they hold the environment, and a command line can be read by every user of
/// the host.
fn options_file(options: &[std::ffi::OsString]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"options", MFdFlags::empty())?);
    for option in options {
        file.write_all(CString::new(option.as_bytes())?.as_bytes_with_nul())?;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}
