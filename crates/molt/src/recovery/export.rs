//! Writes the archive.

use super::{archive, told};
use crate::client::{Client, ClientError};
use crate::users::export::write;
use std::io;
use std::path::Path;
use std::time::Duration;

/// An archive that says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(120);

/// Does it. What was cut or is not true is not left behind.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, to: &Path, json: bool) -> Result<(), ClientError> {
    let mut answer = client.open("/api/super/recovery/export", &[], SILENCE)?;
    match write(to, &mut answer.body_mut().as_reader()) {
        Ok(_) => {}
        Err(error) => {
            // One that was there before is left alone.
            if error.kind() != io::ErrorKind::AlreadyExists {
                let _ = std::fs::remove_file(to);
            }
            return Err(ClientError::Argument(format!("{}: {error}", to.display())));
        }
    }
    let verified = archive::verified(to).inspect_err(|_| {
        let _ = std::fs::remove_file(to);
    })?;
    told(to, &verified, json)
}
