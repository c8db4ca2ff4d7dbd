//! A folder as a tar archive, written as fast as it is read.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response};
use molt_common::control::files::{FileKind, FilesQuery};
use molt_common::home_path::HomePath;
use rustix::fs::{self, Dir, Mode, OFlags, Stat};
use rustix::io::Errno;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

use super::error::FileError;
use super::home::{self, Home};
use super::remove::DEEPEST;
use super::{Files, Held, list};
use crate::http_server::{Body, BodyError, whole};

/// Bytes of a piece.
const PIECE: usize = 256 * 1024;
/// Pieces that wait for the client.
const WAITING: usize = 2;

impl Files {
    pub(super) async fn archive(
        &self,
        query: &FilesQuery,
        method: &Method,
        held: Held,
    ) -> Result<Response<Body>, FileError> {
        let path = query.path.clone();
        let found = self.at_home(move |home| Root::find(home, &path)).await?;
        let mut answer = self.told(Response::new(whole("")));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
        if method == Method::HEAD {
            return Ok(answer);
        }
        let (pieces, mut taken) = mpsc::channel::<io::Result<Bytes>>(WAITING);
        let rights = self.rights;
        tokio::task::spawn_blocking(move || {
            let mut sink = Sink {
                pieces: pieces.clone(),
                gathered: BytesMut::new(),
            };
            let written = rights
                .take()
                .map_err(io::Error::other)
                .and_then(|_agent| found.write(&mut sink))
                .and_then(|()| sink.send());
            if let Err(error) = written {
                tracing::info!(%error, "an archive breaks off");
                // Without this the client would take what it has for the whole.
                let _ = pieces.blocking_send(Err(error));
            }
        });
        let pieces = stream::poll_fn(move |context| {
            let _held = &held;
            let piece = taken.poll_recv(context);
            piece.map(|piece| piece.map(|bytes| bytes.map(Frame::data).map_err(BodyError::from)))
        });
        *answer.body_mut() = BodyExt::boxed(StreamBody::new(pieces));
        Ok(answer)
    }
}

/// What goes into the archive, opened.
struct Root {
    found: Found,
    about: Stat,
    /// In the archive; empty for the home.
    name: PathBuf,
}

enum Found {
    File(std::fs::File),
    Folder(OwnedFd),
}

impl Root {
    fn find(home: &Home, path: &HomePath) -> Result<Self, FileError> {
        let looked = home.look(path)?;
        let about = fs::fstat(&looked)?;
        let (found, about) = match home::kind(&about) {
            FileKind::Folder => (Found::Folder(open_folder(&looked)?), about),
            _ => {
                let (file, about) = home::read(&looked)?;
                (Found::File(file), about)
            }
        };
        let name = path.names().next_back().unwrap_or_default();
        Ok(Self {
            found,
            about,
            name: PathBuf::from(OsStr::from_bytes(name)),
        })
    }

    fn write(self, sink: &mut Sink) -> io::Result<()> {
        let mut archive = Builder::new(sink);
        match self.found {
            Found::File(file) => append_file(&mut archive, &self.name, &file, &self.about)?,
            Found::Folder(folder) => {
                if !self.name.as_os_str().is_empty() {
                    append_folder(&mut archive, &self.name, &self.about)?;
                }
                append_entries(&mut archive, &folder, &self.name, 0)?;
            }
        }
        archive.finish()
    }
}

/// A folder that was looked at, and nothing that took its place, so that its entries can be read.
fn open_folder(looked: &OwnedFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::openat(looked, ".", flags, Mode::empty())
}

fn append_entries(archive: &mut Builder<&mut Sink>, folder: &OwnedFd, at: &Path, depth: u32) -> io::Result<()> {
    if depth >= DEEPEST {
        return Err(io::Error::other("a folder is deeper than is followed"));
    }
    for found in Dir::read_from(folder)? {
        let found = found?;
        let name = found.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let path = at.join(OsStr::from_bytes(name));
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let looked = match fs::openat(folder, name, flags, Mode::empty()) {
            Ok(looked) => looked,
            // It went away since.
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        let about = fs::fstat(&looked)?;
        match home::kind(&about) {
            FileKind::File => match home::read(&looked) {
                Ok((file, about)) => append_file(archive, &path, &file, &about)?,
                // The agent itself cannot read it.
                Err(FileError::NotPermitted) => {}
                Err(error) => return Err(io::Error::other(error)),
            },
            FileKind::Folder => {
                append_folder(archive, &path, &about)?;
                match open_folder(&looked) {
                    Ok(folder) => append_entries(archive, &folder, &path, depth + 1)?,
                    Err(Errno::ACCESS) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            FileKind::Link => {
                if let Some(target) = list::target(folder, name, &about) {
                    let mut header = header(&about, EntryType::Symlink, 0);
                    archive.append_link(&mut header, &path, OsStr::from_bytes(&target))?;
                }
            }
            FileKind::Other => {}
        }
    }
    Ok(())
}

fn append_folder(archive: &mut Builder<&mut Sink>, path: &Path, about: &Stat) -> io::Result<()> {
    archive.append_data(&mut header(about, EntryType::Directory, 0), path, io::empty())
}

fn append_file(archive: &mut Builder<&mut Sink>, path: &Path, file: &std::fs::File, about: &Stat) -> io::Result<()> {
    let size = home::size(about);
    let exact = Exact { file, left: size };
    archive.append_data(&mut header(about, EntryType::Regular, size), path, exact)
}

fn header(about: &Stat, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(about.st_mode & 0o7777);
    header.set_uid(about.st_uid.into());
    header.set_gid(about.st_gid.into());
    header.set_mtime(u64::try_from(about.st_mtime).unwrap_or(0));
    header.set_size(size);
    header
}

/// As many bytes of a file as were announced: one that has grown is cut, one that has shrunk breaks off.
struct Exact<'a> {
    file: &'a std::fs::File,
    left: u64,
}

impl Read for Exact<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(room.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.file.read(&mut room[..most])?;
        if read == 0 {
            return Err(io::Error::other("a file became shorter while it was read"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Gathers small writes, and waits while the client is slower.
struct Sink {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    gathered: BytesMut,
}

impl Sink {
    fn send(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = self.gathered.split().freeze();
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes it");
        self.pieces.blocking_send(Ok(piece)).map_err(gone)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}
