//! One archive: read as it comes, unpacked, and found whole or not.

use super::Trouble;
use super::edge::Edge;
use super::laying::{About, Laying, NotLaid};

use crate::http::Fault;
use flate2::read::MultiGzDecoder;
use molt_common::legacy_data::{Found, Place, member};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tar::{Archive, Entry, EntryType};

/// Bytes of a block, and of the two empty ones at an archive's end.
const BLOCK: u64 = 512;
const END: u64 = 2 * BLOCK;

/// Unpacks it.
pub fn unpack(edge: &Edge, found: &Found, laying: &mut Laying<'_>) -> Result<(), Trouble> {
    let source = edge.reader(found);
    let fault = source.fault();
    let unpacked = Counted::new(MultiGzDecoder::new(BufReader::new(source)));
    laying.report.read_bytes = found.size;
    unpack_from(unpacked, laying).map_err(|trouble| judged(trouble, &fault))
}

/// What broke: the bytes, or the way on which they came.
fn judged(trouble: Trouble, fault: &Rc<RefCell<Option<Fault>>>) -> Trouble {
    match (trouble, fault.borrow_mut().take()) {
        (Trouble::Broken(_), Some(fault)) => Trouble::Failure(fault.into()),
        (trouble, _) => trouble,
    }
}

fn broken(error: &io::Error) -> Trouble {
    Trouble::Broken(format!("it cannot be read to its end: {error}"))
}

fn unpack_from<R: Read>(source: Counted<R>, laying: &mut Laying<'_>) -> Result<(), Trouble> {
    let mut archive = Archive::new(source);
    let mut end = 0;
    for entry in archive.entries().map_err(|error| broken(&error))? {
        let mut entry = entry.map_err(|error| broken(&error))?;
        let length = entry.header().entry_size().map_err(|error| broken(&error))?;
        end = entry.raw_file_position() + length.next_multiple_of(BLOCK);
        lay(&mut entry, laying)?;
    }
    let mut rest = archive.into_inner();
    // Checksums and lengths of the compression stand at its end.
    io::copy(&mut rest, &mut io::sink()).map_err(|error| broken(&error))?;
    let after = rest.total.saturating_sub(end);
    if after < END || rest.zeros < after {
        return Err(Trouble::Broken(
            "its end is missing: it was cut while it was written".into(),
        ));
    }
    Ok(())
}

fn lay<R: Read>(entry: &mut Entry<'_, R>, laying: &mut Laying<'_>) -> Result<(), Trouble> {
    let name = entry.path_bytes().into_owned();
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(());
    }
    let path = match member(&name) {
        Place::Below(path) => PathBuf::from(OsStr::from_bytes(&path)),
        Place::Home => return Ok(()),
        Place::LeftOut => {
            laying.report.left_out += 1;
            return Ok(());
        }
        Place::Refused(why) => {
            laying.refuse(&name, why);
            return Ok(());
        }
    };
    let about = About {
        mode: entry.header().mode().unwrap_or(0o644),
        mtime: entry.header().mtime().unwrap_or_default(),
    };
    let laid = match kind {
        EntryType::Directory => laying.folder(&path, Some(about)),
        _ if kind.is_file() && name.ends_with(b"/") => laying.folder(&path, Some(about)),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => file(entry, &path, about, laying),
        EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            laying.symlink(&path, &target)
        }
        EntryType::Link => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            match member(&target) {
                Place::Below(first) => laying.hard_link(&path, Path::new(OsStr::from_bytes(&first))),
                _ => Err(NotLaid::Refused(
                    "it is another name of a file outside of the home".into(),
                )),
            }
        }
        EntryType::Char | EntryType::Block => Err(NotLaid::Refused("it is a device".into())),
        EntryType::Fifo => Err(NotLaid::Refused("it is a pipe".into())),
        _ => Err(NotLaid::Refused("it is neither file, folder nor link".into())),
    };
    match laid {
        Ok(()) => Ok(()),
        Err(NotLaid::Refused(why)) => {
            laying.refuse(&name, &why);
            Ok(())
        }
        Err(NotLaid::Source(error)) => Err(broken(&error)),
        Err(NotLaid::Disk(failure)) => Err(failure.into()),
    }
}

fn file<R: Read>(entry: &mut Entry<'_, R>, path: &Path, about: About, laying: &mut Laying<'_>) -> Result<(), NotLaid> {
    let size = entry.size();
    let laid = laying.file(path, about, entry)?;
    if laid == size {
        return Ok(());
    }
    Err(NotLaid::Source(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("{laid} of {size} bytes of a file"),
    )))
}

/// Counts what passes, and how many zeros were the last of it.
struct Counted<R> {
    inner: R,
    total: u64,
    zeros: u64,
}

impl<R> Counted<R> {
    const fn new(inner: R) -> Self {
        Self {
            inner,
            total: 0,
            zeros: 0,
        }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        self.total += read as u64;
        match bytes.iter().rposition(|byte| *byte != 0) {
            Some(last) => self.zeros = (read - last - 1) as u64,
            None => self.zeros += read as u64,
        }
        Ok(read)
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
