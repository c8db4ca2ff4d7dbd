//! What restic itself needs, in files that only the operator may read: an argument or a variable would be seen by others on the machine.

use super::args::Access;
use super::{path, read};
use crate::client::{Client, ClientError};
use crate::exec::user;
use crate::show;
use molt_common::api::backups::{AccessGranted, AccessRequest};
use serde_json::json;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Does it. The answer itself is never printed.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, asked: &Access, json: bool) -> Result<(), ClientError> {
    let user = user(client, &asked.user)?;
    let path = path(user, "/access");
    let body = AccessRequest {
        ttl_seconds: Some(u32::try_from(asked.lasts / 1_000).unwrap_or(u32::MAX)),
    };
    let mut folder = DirBuilder::new();
    folder
        .mode(0o700)
        .create(&asked.into)
        .map_err(|error| refused(&asked.into, &error))?;
    let granted: AccessGranted = read_quietly(&path, client.post(&path, &body)?)?;
    let host = client.host();
    let (scheme, rest) = host.split_once("://").unwrap_or(("https", host));
    let repository = format!(
        "rest:{scheme}://{}:{}@{rest}{}",
        granted.username, granted.token, granted.path
    );
    for (name, text) in [("repository", &repository), ("password", &granted.password)] {
        let file = asked.into.join(name);
        write(&file, text).map_err(|error| refused(&file, &error))?;
    }
    let folder = asked.into.display();
    if json {
        return show::line(&json!({"userId": user, "folder": asked.into, "until": granted.until}).to_string());
    }
    show::line(&format!("good until {}:", granted.until))?;
    show::line(&format!(
        "restic --repository-file {folder}/repository --password-file {folder}/password --no-lock snapshots"
    ))
}

/// An answer that does not fit must not be shown either.
fn read_quietly(path: &str, answer: serde_json::Value) -> Result<AccessGranted, ClientError> {
    read(path, answer).map_err(|_| ClientError::Unexpected(path.into(), "something else than what it documents".into()))
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}

fn refused(path: &Path, error: &io::Error) -> ClientError {
    ClientError::Argument(format!("{}: {error}", path.display()))
}
