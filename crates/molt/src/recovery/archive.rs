//! The archive as a file: member after member, none held longer than it is looked at.

use crate::client::ClientError;
use molt_common::recovery::archive::{Check, Verified, enough};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

fn refused(file: &Path, why: impl std::fmt::Display) -> ClientError {
    ClientError::Argument(format!("{}: {why}", file.display()))
}

/// Shows each member of an archive: its name and its bytes, no more of them than are looked at.
///
/// # Errors
/// That of `each`; [`ClientError::Argument`] for a file that is no tar archive or cannot be read.
pub fn members(file: &Path, mut each: impl FnMut(&str, &[u8]) -> Result<(), ClientError>) -> Result<(), ClientError> {
    let opened = File::open(file).map_err(|error| refused(file, error))?;
    let mut archive = tar::Archive::new(BufReader::new(opened));
    let broken = |error: io::Error| refused(file, error);
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut bytes = Vec::new();
        entry.take(enough(&name)).read_to_end(&mut bytes).map_err(broken)?;
        each(&name, &bytes)?;
    }
    Ok(())
}

/// Looks whether an archive is whole and true.
///
/// # Errors
/// [`ClientError::Argument`], which names the member and the line.
pub fn verified(file: &Path) -> Result<Verified, ClientError> {
    let mut check = Check::default();
    members(file, |name, bytes| {
        check.member(name, bytes).map_err(|error| refused(file, error))
    })?;
    check.finish().map_err(|error| refused(file, error))
}
