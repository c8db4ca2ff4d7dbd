//! `molt files`: files of a user's sandbox, or of what was saved of it.

use crate::client::{Client, ClientError, encoded};
use clap::{Args, Subcommand};
use molt_common::control::files::{FileEntry, FileKind, FileList};
use serde_json::Value;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A transfer without a byte for so long is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// What is to be done.
#[derive(Subcommand)]
pub enum Action {
    /// Lists a folder; the home without a path.
    Ls {
        #[command(flatten)]
        from: From,
        /// Below the agent's home
        path: Option<PathBuf>,
    },
    /// Writes a file to standard output.
    Cat {
        #[command(flatten)]
        from: From,
        /// Below the agent's home
        path: PathBuf,
    },
    /// Fetches a file. It is there as a whole or not at all.
    Get {
        #[command(flatten)]
        from: From,
        /// Below the agent's home
        path: PathBuf,
        /// Where to; the file's own name, here, when absent
        to: Option<PathBuf>,
    },
    /// Writes a file into a running sandbox. It is there as a whole or not at all.
    Put {
        /// User id or name
        user: String,
        /// What is written
        file: PathBuf,
        /// Below the agent's home
        path: PathBuf,
        /// Permissions in octal digits; those of the file that is replaced, else 644
        #[arg(long)]
        mode: Option<String>,
    },
    /// Removes a file, a link or an empty folder from a running sandbox.
    Rm {
        /// User id or name
        user: String,
        /// Below the agent's home
        path: PathBuf,
        /// A folder with everything in it
        #[arg(long)]
        recursive: bool,
    },
    /// Writes a folder of a running sandbox as a tar archive to standard output.
    Tar {
        /// User id or name
        user: String,
        /// Below the agent's home; all of it when absent
        path: Option<PathBuf>,
    },
}

/// Whose files, and from where.
#[derive(Args)]
pub struct From {
    /// User id or name
    user: String,
    /// The running sandbox, what was saved last, or whichever is there
    #[arg(long, value_parser = ["auto", "sandbox", "snapshot"], default_value = "auto")]
    source: String,
    /// Of this snapshot
    #[arg(long)]
    snapshot: Option<String>,
}

impl From {
    fn query(&self) -> String {
        match &self.snapshot {
            Some(id) => format!("source=snapshot&snapshot={}", encoded(id)),
            None => format!("source={}", self.source),
        }
    }
}

/// Does it.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, action: &Action, json: bool) -> Result<(), ClientError> {
    match action {
        Action::Ls { from, path } => list(client, from, path.as_deref(), json),
        Action::Cat { from, path } => {
            let at = address(client, &from.user, Some(path))?;
            copy(client, &format!("{at}?{}", from.query()), &mut io::stdout().lock())
        }
        Action::Get { from, path, to } => {
            let name = to.as_deref().or_else(|| path.file_name().map(Path::new));
            let to = name.ok_or_else(|| ClientError::Argument("the path names no file".to_owned()))?;
            let at = address(client, &from.user, Some(path))?;
            fetch(client, &format!("{at}?{}", from.query()), to)
        }
        Action::Put { user, file, path, mode } => {
            let mode = mode.as_deref().map(|mode| format!("?mode={}", encoded(mode)));
            let at = address(client, user, Some(path))?;
            let file =
                File::open(file).map_err(|error| ClientError::Argument(format!("{}: {error}", file.display())))?;
            let written = client.put_file(&format!("{at}{}", mode.unwrap_or_default()), &file)?;
            told(&written, json)
        }
        Action::Rm { user, path, recursive } => {
            let question = if *recursive { "?recursive=1" } else { "" };
            let at = address(client, user, Some(path))?;
            told(&client.delete(&format!("{at}{question}"))?, json)
        }
        Action::Tar { user, path } => {
            let at = address(client, user, path.as_deref())?;
            copy(client, &format!("{at}?format=tar"), &mut io::stdout().lock())
        }
    }
}

/// Path of the API; names need not be text.
fn address(client: &Client, user: &str, path: Option<&Path>) -> Result<String, ClientError> {
    let mut at = format!("/api/super/users/{}/files", client.user(user)?);
    for name in path.into_iter().flat_map(Path::iter) {
        at.push('/');
        at.push_str(&molt_common::home_path::encoded(name.as_bytes()));
    }
    Ok(at)
}

fn told(answer: &Value, json: bool) -> Result<(), ClientError> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{answer}")?;
    } else if let Some(path) = answer.get("path").and_then(Value::as_str) {
        writeln!(out, "{path}")?;
    }
    Ok(())
}

fn list(client: &Client, from: &From, path: Option<&Path>, json: bool) -> Result<(), ClientError> {
    let at = address(client, &from.user, path)?;
    let (mut cursor, mut out) = (String::new(), io::stdout().lock());
    loop {
        let question = format!("{at}?list=1&limit=1000&{}&cursor={cursor}", from.query());
        let question = if path.is_none() {
            question.replacen("?list=1&", "?", 1)
        } else {
            question
        };
        let answer = client.get(&question, true)?;
        let page: FileList = serde_json::from_value(answer.clone())
            .map_err(|_| ClientError::Unexpected(question.clone(), answer.to_string()))?;
        for entry in &page.entries {
            if json {
                let line = serde_json::to_string(entry).map_err(io::Error::other)?;
                writeln!(out, "{line}")?;
            } else {
                writeln!(out, "{}", row(entry))?;
            }
        }
        match page.next_cursor {
            Some(next) => cursor = next,
            None => return Ok(()),
        }
    }
}

/// One line. What a name could do to a terminal, it does not.
fn row(entry: &FileEntry) -> String {
    let kind = match entry.kind {
        FileKind::File => '-',
        FileKind::Folder => 'd',
        FileKind::Link => 'l',
        FileKind::Other => '?',
    };
    let at = entry
        .modified_at
        .map_or_else(|| "-".to_owned(), molt_common::time::Millis::iso);
    let target = entry.target.as_deref().map(|target| format!(" -> {}", shown(target)));
    let name = shown(&entry.name);
    format!(
        "{kind} {} {:>12} {at:24} {name}{}",
        entry.mode,
        entry.size,
        target.unwrap_or_default()
    )
}

fn shown(text: &str) -> String {
    let safe = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    text.chars().map(safe).collect()
}

fn copy(client: &Client, path: &str, to: &mut impl Write) -> Result<(), ClientError> {
    let mut answer = client.open(path, &[], SILENCE)?.into_body().into_reader();
    let mut piece = vec![0; 256 * 1024];
    loop {
        let read = answer
            .read(&mut piece)
            .map_err(|error| ClientError::Unreachable(path.to_owned(), ureq::Error::Io(error)))?;
        if read == 0 {
            to.flush()?;
            return Ok(());
        }
        to.write_all(piece.get(..read).unwrap_or_default())?;
    }
}

fn fetch(client: &Client, path: &str, to: &Path) -> Result<(), ClientError> {
    let folder = to
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let failed = |error: io::Error| ClientError::Argument(format!("{}: {error}", to.display()));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    copy(client, path, &mut file)?;
    file.persist(to).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::row;
    use molt_common::control::files::{FileEntry, FileKind};

    #[test]
    fn a_name_does_nothing_to_a_terminal() {
        let entry = FileEntry {
            name: "a\u{1b}[2J\nb".into(),
            path: "a".into(),
            kind: FileKind::Link,
            size: 7,
            mode: "0777".into(),
            modified_at: None,
            target: Some("\u{7}x".into()),
            etag: None,
        };
        let line = row(&entry);
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.ends_with(" -> \u{fffd}x") && line.starts_with("l 0777"), "{line}");
    }
}
