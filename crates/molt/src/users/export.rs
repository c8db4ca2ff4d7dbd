//! Everything that is kept of a user, in one file.

use crate::client::{Client, ClientError};
use crate::exec::user;
use crate::show;
use clap::Args;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An archive that says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(120);
/// A tar archive ends with two empty blocks; one that was cut does not.
const END: usize = 1_024;

/// Whose, and where to.
#[derive(Debug, Args)]
pub struct Export {
    /// User id or name
    user: String,
    /// A file that does not exist yet; only you may read it
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Does it. What was cut on its way is not left behind as if it were whole.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, asked: &Export, json: bool) -> Result<(), ClientError> {
    let id = user(client, &asked.user)?;
    let path = format!("/api/super/users/{id}/export");
    let refused = |error: io::Error| ClientError::Argument(format!("{}: {error}", asked.to.display()));
    let mut answer = client.open(&path, &[], SILENCE)?;
    let bytes = match write(&asked.to, &mut answer.body_mut().as_reader()) {
        Ok(bytes) => bytes,
        Err(error) => {
            // One that was there before is left alone.
            if error.kind() != io::ErrorKind::AlreadyExists {
                let _ = std::fs::remove_file(&asked.to);
            }
            return Err(refused(error));
        }
    };
    if json {
        return show::line(&json!({"userId": id, "file": asked.to, "bytes": bytes}).to_string());
    }
    show::line(&format!("{} ({bytes} bytes)", asked.to.display()))
}

/// Writes a tar archive to a file that does not exist yet and that only its owner may read.
///
/// # Errors
/// When it cannot be written, or the archive does not end as one; what was written is left.
pub fn write(to: &Path, from: &mut impl Read) -> io::Result<u64> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let mut file = BufWriter::new(file);
    let bytes = io::copy(from, &mut file)?;
    file.flush()?;
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    let mut end = [1; END];
    let back = i64::try_from(END).unwrap_or_default();
    let whole = bytes >= END as u64 && file.seek(SeekFrom::End(-back)).is_ok() && file.read_exact(&mut end).is_ok();
    if whole && end.iter().all(|byte| *byte == 0) {
        Ok(bytes)
    } else {
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the archive was cut on its way",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::write;
    use std::io::ErrorKind;

    #[test]
    fn what_was_cut_is_no_archive_and_nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let whole = [vec![1; 512], vec![0; 1_024]].concat();
        let to = folder.path().join("whole.tar");
        assert_eq!(write(&to, &mut whole.as_slice()).unwrap(), 1_536);
        assert_eq!(
            write(&to, &mut whole.as_slice()).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        for cut in [0, 512, 1_024, 1_535] {
            let to = folder.path().join(cut.to_string());
            let error = write(&to, &mut &whole[..cut]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{cut}");
        }
    }
}
