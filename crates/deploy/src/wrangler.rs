//! Runs wrangler. Secrets reach it by standard input, a file without a name; never by an argument or the environment.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::account::json_in;
use crate::secret;
use crate::worker::text;

/// Questions are answered within this.
const ASK: Duration = Duration::from_secs(120);
/// Uploads, which may build and push an image, end within this.
const UPLOAD: Duration = Duration::from_secs(1800);
const POLL: Duration = Duration::from_millis(20);
/// What Cloudflare's API says of a worker that is not there.
const NO_SUCH_WORKER: [i64; 2] = [10007, 10090];
/// And of a bucket.
const NO_SUCH_BUCKET: i64 = 10006;

/// wrangler for one deployment.
pub struct Wrangler {
    program: Vec<OsString>,
    account_id: Option<String>,
    scratch: PathBuf,
    calls: Cell<u32>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum WranglerError {
    /// It cannot be started.
    #[error("wrangler cannot be run: {0}")]
    Io(#[from] io::Error),
    /// It said no.
    #[error("`wrangler {call}` failed: {message}")]
    Refused {
        /// Its arguments.
        call: String,
        /// What it said.
        message: String,
        /// Code of Cloudflare's API, if it was that which refused.
        code: Option<i64>,
    },
    /// It did not end.
    #[error("`wrangler {0}` did not end within {1} s")]
    Timeout(String, u64),
    /// It answered something else than was asked.
    #[error("`wrangler {0}` answered without {1}")]
    Answer(String, &'static str),
}

impl WranglerError {
    fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { code, .. } => *code,
            _ => None,
        }
    }

    /// Whether there is no such worker.
    pub fn is_no_worker(&self) -> bool {
        self.code().is_some_and(|code| NO_SUCH_WORKER.contains(&code))
            || matches!(self, Self::Refused { message, .. } if message.contains("has no deployments"))
    }

    /// Whether a version cannot be uploaded for later because it migrates Durable Objects.
    pub fn is_pending_migration(&self) -> bool {
        matches!(self, Self::Refused { message, .. } if message.contains("pending Durable Object migration"))
    }

    /// Whether there is no such bucket.
    pub fn is_no_bucket(&self) -> bool {
        self.code() == Some(NO_SUCH_BUCKET)
    }
}

/// What a call said.
pub struct Answer {
    /// On standard output.
    pub output: String,
    /// In the file for machines.
    pub records: Vec<Value>,
}

impl Answer {
    /// Id of the version that the call made.
    pub fn version_id(&self) -> Option<&str> {
        self.records.iter().find_map(|record| text(record, &["version_id"]))
    }
}

impl Wrangler {
    /// The one that Node runs from `script`, with files in `scratch`.
    pub fn new(node: &Path, script: &Path, scratch: &Path) -> Self {
        Self {
            program: vec![node.into(), "--no-warnings".into(), script.into()],
            account_id: None,
            scratch: scratch.to_owned(),
            calls: Cell::new(0),
        }
    }

    /// Sets the account of every further call.
    pub fn set_account(&mut self, id: &str) {
        self.account_id = Some(id.to_owned());
    }

    /// Folder of files for its owner alone, removed at the end.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Asks something.
    ///
    /// # Errors
    /// See [`WranglerError`].
    pub fn ask(&self, arguments: &[&str]) -> Result<Answer, WranglerError> {
        self.call(arguments, None, ASK)
    }

    /// Asks something that is answered in JSON.
    ///
    /// # Errors
    /// See [`WranglerError`].
    pub fn ask_json(&self, arguments: &[&str]) -> Result<Value, WranglerError> {
        let answer = self.ask(arguments)?;
        json_in(&answer.output).ok_or_else(|| WranglerError::Answer(arguments.join(" "), "JSON"))
    }

    /// Does something that may take long.
    ///
    /// # Errors
    /// See [`WranglerError`].
    pub fn perform(&self, arguments: &[&str]) -> Result<Answer, WranglerError> {
        self.call(arguments, None, UPLOAD)
    }

    /// Does something with a secret input.
    ///
    /// # Errors
    /// See [`WranglerError`].
    pub fn perform_with(&self, arguments: &[&str], input: &str) -> Result<Answer, WranglerError> {
        self.call(arguments, Some(input), UPLOAD)
    }

    fn call(&self, arguments: &[&str], input: Option<&str>, limit: Duration) -> Result<Answer, WranglerError> {
        let number = self.calls.get();
        self.calls.set(number.wrapping_add(1));
        let records = self.scratch.join(format!("records-{number}"));
        let mut output = tempfile::tempfile_in(&self.scratch)?;
        let mut complaints = tempfile::tempfile_in(&self.scratch)?;
        let mut child = self
            .command(arguments, &records)
            .stdin(self.standard_input(input)?)
            .stdout(output.try_clone()?)
            .stderr(complaints.try_clone()?)
            .spawn()?;
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                child.kill()?;
                child.wait()?;
                return Err(WranglerError::Timeout(arguments.join(" "), limit.as_secs()));
            }
            thread::sleep(POLL);
        };
        let records = records_in(&records);
        let output = read(&mut output)?;
        if status.success() {
            return Ok(Answer { output, records });
        }
        let failed = records
            .iter()
            .find(|record| text(record, &["type"]) == Some("command-failed"));
        // The record says which request failed, the complaint why.
        let record = failed.and_then(|record| text(record, &["message"])).map(str::to_owned);
        let said = match read(&mut complaints)? {
            nothing if nothing.trim().is_empty() => output,
            complaint => complaint,
        };
        Err(WranglerError::Refused {
            call: arguments.join(" "),
            message: explained(record, &said),
            code: failed.and_then(|record| record.get("code")).and_then(Value::as_i64),
        })
    }

    fn command(&self, arguments: &[&str], records: &Path) -> Command {
        let mut program = self.program.iter();
        let mut command = Command::new(program.next().cloned().unwrap_or_default());
        command.args(program).args(arguments);
        // It reads .env files where it stands.
        command.current_dir(&self.scratch);
        for (name, value) in wrangler_config::QUIET {
            command.env(name, value);
        }
        command
            .env("WRANGLER_OUTPUT_FILE_PATH", records)
            .env("TMPDIR", &self.scratch);
        if let Some(account) = &self.account_id {
            command.env("CLOUDFLARE_ACCOUNT_ID", account);
        }
        // Given to us, not to what the build of an image starts.
        for secret in secret::ALL {
            command.env_remove(secret.name);
        }
        command.env_remove("MOLT_ADMIN_SECRET");
        command
    }

    fn standard_input(&self, input: Option<&str>) -> io::Result<Stdio> {
        let Some(input) = input else { return Ok(Stdio::null()) };
        // Without a name, and gone with its last reader.
        let mut file = tempfile::tempfile_in(&self.scratch)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(input.as_bytes())?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Stdio::from(file))
    }
}

fn read(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(file, &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn records_in(path: &Path) -> Vec<Value> {
    let lines = fs::read_to_string(path).unwrap_or_default();
    lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The record and, where that leaves it out, what it complained about, in one line and without colours.
fn explained(record: Option<String>, said: &str) -> String {
    let plain = without_colours(said);
    let lines = plain.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.contains("please open an issue"));
    let lines: Vec<&str> = match &record {
        Some(record) => lines.filter(|line| !line.contains(record.as_str())).collect(),
        None => lines.collect(),
    };
    let from = lines.len().saturating_sub(6);
    let parts = record.as_deref().into_iter().chain(lines.into_iter().skip(from));
    parts.collect::<Vec<_>>().join(" / ")
}

/// Without the escape sequences that it writes whatever NO_COLOR says.
fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_which_request_and_why() {
        let said = "\n\u{1b}[31mX \u{1b}[41;31m[ERROR]\u{1b}[0m A request (/a/b) failed.\n\n  No such thing. [code: 1]\n\n  If you think this is a bug, please open an issue at: x\n";
        assert_eq!(
            explained(Some("A request (/a/b) failed.".to_owned()), said),
            "A request (/a/b) failed. / No such thing. [code: 1]"
        );
        assert_eq!(explained(None, "one\n\ntwo\n"), "one / two");
    }
}
