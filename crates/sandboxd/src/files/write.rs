//! Writing a file: beside its place, and then into it at once, so that nobody ever reads a half.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};
use molt_common::control::files::{FileKind, FileWritten, FilesQuery, LONGEST_FILE};
use molt_common::home_path::HomePath;
use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::content::names;
use super::error::FileError;
use super::home::{self, Home};
use super::{Files, header};
use crate::control::json;
use crate::http_server::Body;

/// Bytes of the disk that are left to everything else.
const SPARED: u64 = 64 << 20;
/// The room is looked at again after so many bytes.
const LOOK_EVERY: u64 = 32 << 20;

/// On what a write depends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Only when nothing is there (`If-None-Match: *`).
    pub absent: bool,
    /// Only when this version is there (`If-Match`).
    pub version: Option<String>,
}

impl Condition {
    fn of(headers: &HeaderMap) -> Result<Self, FileError> {
        let absent = match header(headers, "if-none-match") {
            None => false,
            Some("*") => true,
            Some(_) => return Err(FileError::Invalid("If-None-Match: can only be *".to_owned())),
        };
        Ok(Self {
            absent,
            version: header(headers, "if-match").map(str::to_owned),
        })
    }

    fn holds(&self, there: Option<&Stat>) -> bool {
        let version = match (&self.version, there) {
            (None, _) => true,
            (Some(tags), Some(there)) => names(tags, &home::etag(there)),
            (Some(_), None) => false,
        };
        version && !(self.absent && there.is_some())
    }
}

/// A file that is being written, beside its place. Dropped before it is there, it is gone.
pub struct Pending {
    folder: OwnedFd,
    own_name: String,
    name: Vec<u8>,
    path: HomePath,
    mode: u32,
    condition: Condition,
    placed: bool,
}

impl Pending {
    /// Makes folders and an empty file.
    pub fn begin(
        home: &Home,
        path: &HomePath,
        mode: Option<u32>,
        condition: Condition,
    ) -> Result<(Self, File), FileError> {
        let (folder, name) = home.make_folder_of(path)?;
        let there = replaced(&folder, name)?;
        if !condition.holds(there.as_ref()) {
            return Err(FileError::Condition);
        }
        let usual = there.map_or(0o644, |there| there.st_mode & 0o777);
        let own_name = format!(".molt-{}.part", Uuid::new_v4().simple());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(&folder, own_name.as_str(), flags, Mode::from_raw_mode(0o600))?;
        let pending = Self {
            name: name.to_vec(),
            folder,
            own_name,
            path: path.clone(),
            mode: mode.unwrap_or(usual),
            condition,
            placed: false,
        };
        Ok((pending, File::from(file)))
    }

    /// Refuses what would fill the disk.
    pub fn room(&self, more: u64) -> Result<(), FileError> {
        let disk = fs::fstatvfs(&self.folder)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < more.saturating_add(SPARED) {
            return Err(FileError::NoSpace);
        }
        Ok(())
    }

    /// Puts it into its place.
    pub fn place(mut self, file: &File) -> Result<FileWritten, FileError> {
        fs::fchmod(file, Mode::from_raw_mode(self.mode))?;
        fs::fsync(file)?;
        let there = replaced(&self.folder, &self.name)?;
        if !self.condition.holds(there.as_ref()) {
            return Err(FileError::Condition);
        }
        let (folder, own, name) = (&self.folder, self.own_name.as_str(), self.name.as_slice());
        // With nothing there, the disk itself sees to it that nothing is replaced, whoever is quicker.
        let exclusive = self.condition.absent && there.is_none();
        let flags = if exclusive {
            RenameFlags::NOREPLACE
        } else {
            RenameFlags::empty()
        };
        match fs::renameat_with(folder, own, folder, name, flags) {
            Err(Errno::EXIST) if exclusive => return Err(FileError::Condition),
            done => done?,
        }
        self.placed = true;
        let about = fs::fstat(file)?;
        Ok(FileWritten {
            path: self.path.to_string(),
            bytes_written: home::size(&about),
            created: there.is_none(),
            etag: home::etag(&about),
        })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.placed {
            // A name that nobody else has, in this folder only.
            let _ = fs::unlinkat(&self.folder, self.own_name.as_str(), AtFlags::empty());
        }
    }
}

/// What a write would replace: nothing or a file.
fn replaced(folder: &OwnedFd, name: &[u8]) -> Result<Option<Stat>, FileError> {
    match home::about(folder, name) {
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(about) => match home::kind(&about) {
            FileKind::File => Ok(Some(about)),
            FileKind::Folder => Err(FileError::IsAFolder),
            FileKind::Link => Err(FileError::IsALink),
            FileKind::Other => Err(FileError::NotAFile),
        },
    }
}

/// Writes bytes that are there as a whole.
pub fn write_whole(home: &Home, path: &HomePath, mode: Option<u32>, bytes: &[u8]) -> Result<FileWritten, FileError> {
    let (pending, mut file) = Pending::begin(home, path, mode, Condition::default())?;
    pending.room(bytes.len() as u64)?;
    file.write_all(bytes)?;
    pending.place(&file)
}

impl Files {
    pub(super) async fn write(
        &self,
        query: FilesQuery,
        headers: &HeaderMap,
        mut body: Incoming,
    ) -> Result<Response<Body>, FileError> {
        let condition = Condition::of(headers)?;
        let stated = body.size_hint().exact().unwrap_or(0);
        if stated > LONGEST_FILE {
            return Err(FileError::TooLarge(LONGEST_FILE));
        }
        let begun = self.at_home(move |home| {
            let begun = Pending::begin(home, &query.path, query.mode, condition)?;
            begun.0.room(stated)?;
            Ok(begun)
        });
        let (pending, file) = begun.await?;
        let mut file = tokio::fs::File::from_std(file);
        let (mut written, mut looked) = (0_u64, 0_u64);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| FileError::BrokeOff)?.into_data() else {
                continue;
            };
            written = written.saturating_add(data.len() as u64);
            if written > LONGEST_FILE {
                return Err(FileError::TooLarge(LONGEST_FILE));
            }
            if written.saturating_sub(looked) > LOOK_EVERY {
                looked = written;
                pending.room(0)?;
            }
            file.write_all(&data).await?;
        }
        file.flush().await?;
        let file = file.into_std().await;
        let done = self.at_home(move |_| pending.place(&file)).await?;
        let status = if done.created {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        Ok(self.told(json(status, &done)))
    }
}
