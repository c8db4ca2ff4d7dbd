//! One object per file: what the old system did before it had archives.

use super::Trouble;
use super::edge::Edge;
use super::laying::{About, Laying, NotLaid};
use crate::failure::Failure;
use molt_common::legacy_data::{Found, Place, object};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Fetches all of them.
pub fn fetch(edge: &Edge, laying: &mut Laying<'_>) -> Result<(), Trouble> {
    for (path, (_, found)) in listed(edge, laying)? {
        let mtime = found.uploaded.0 / 1000;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            match laying.folder(folder, Some(About::of_folder(mtime))) {
                Ok(()) => {}
                Err(other) => {
                    refused(laying, &found, other)?;
                    continue;
                }
            }
        }
        let mut source = edge.reader(&found);
        let fault = source.fault();
        let about = About {
            mode: mode(&path),
            mtime,
        };
        let laid = laying.file(&path, about, &mut source);
        if let Some(fault) = fault.borrow_mut().take() {
            return Err(Trouble::Failure(fault.into()));
        }
        match laid {
            Ok(size) if size == found.size => laying.report.read_bytes += size,
            Ok(size) => {
                let why = format!("{} has {size} bytes, not {}", found.key, found.size);
                return Err(Trouble::Broken(why));
            }
            Err(other) => refused(laying, &found, other)?,
        }
    }
    Ok(())
}

/// Which object is which file, the newest generation of each.
fn listed(edge: &Edge, laying: &mut Laying<'_>) -> Result<BTreeMap<PathBuf, (u8, Found)>, Trouble> {
    let mut files: BTreeMap<PathBuf, (u8, Found)> = BTreeMap::new();
    let mut cursor = None;
    loop {
        let page = edge.page(cursor.as_deref()).map_err(Failure::from)?;
        for found in page.objects {
            // `users/<id>/`, which the edge has looked at.
            let tail = found.key.splitn(3, '/').nth(2).unwrap_or_default().to_owned();
            match object(&tail) {
                (generation, Place::Below(path)) => {
                    let path = PathBuf::from(OsString::from_vec(path));
                    match files.get(&path) {
                        Some((known, _)) if *known <= generation => laying.report.left_out += 1,
                        Some(_) | None => {
                            laying.report.left_out += u64::from(files.insert(path, (generation, found)).is_some());
                        }
                    }
                }
                (_, Place::Refused(why)) => laying.refuse(found.key.as_bytes(), why),
                (_, Place::LeftOut | Place::Home) => laying.report.left_out += 1,
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(files);
        }
    }
}

/// Objects have none; the agent's own state has keys in it.
fn mode(path: &Path) -> u32 {
    if path.starts_with(".openclaw") { 0o600 } else { 0o644 }
}

fn refused(laying: &mut Laying<'_>, found: &Found, why: NotLaid) -> Result<(), Trouble> {
    match why {
        NotLaid::Refused(why) => {
            laying.refuse(found.key.as_bytes(), &why);
            Ok(())
        }
        NotLaid::Source(error) => Err(Trouble::Broken(format!("{}: {error}", found.key))),
        NotLaid::Disk(failure) => Err(failure.into()),
    }
}
