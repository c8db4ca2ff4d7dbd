//! Writing the agent's configuration file.
//!
//! A process of the agent's own user does the writing (`sandboxd write-agent-config`): it cannot read or overwrite more than the agent can.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{as_agent, config};
use crate::settings::Settings;

/// Folder of the agent's state within its home.
pub const STATE_FOLDER: &str = ".openclaw";
const FILE: &str = "openclaw.json";
/// Larger than any document a person writes; a file beyond it is set aside like an unreadable one.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Copies of unreadable documents that are told apart by number.
const MAX_ASIDE: u32 = 1000;
/// Role of the process that does it.
pub const ROLE: &str = "write-agent-config";

/// What the writing process is told, on its standard input.
#[derive(Serialize, Deserialize)]
struct Order {
    home: PathBuf,
    locked: Value,
    defaults: Value,
}

/// What became of the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There was none; it was made.
    Created,
    /// The user's document got our keys.
    Merged,
    /// It had them already and was not touched.
    Unchanged,
    /// It could not be understood and is kept under this name; a new one was made.
    SetAside(String),
}

/// What the writing process found and did.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// What became of the file.
    pub outcome: Outcome,
    /// The password that the user has chosen for clients on loopback, if any: the agent asks for it and for no other.
    pub password: Option<String>,
}

/// Has a process of the agent's user write the file.
pub async fn write(settings: &Settings) -> io::Result<Written> {
    let layout = &settings.layout;
    let order = Order {
        home: layout.home.clone(),
        locked: config::locked(&settings.owner, &settings.public_origins, layout.agent_port),
        defaults: config::defaults(),
    };
    as_agent::ask(layout, ROLE, &order).await
}

/// `sandboxd write-agent-config`.
pub fn run() -> ExitCode {
    as_agent::answer(|order: Order| merge_file(&order.home.join(STATE_FOLDER), &order.locked, &order.defaults))
}

fn merge_file(folder: &Path, locked: &Value, defaults: &Value) -> io::Result<Written> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(FILE);
    let (document, outcome) = match read_document(&path) {
        Ok(Some(document)) => (document, Outcome::Merged),
        Ok(None) => (Value::Object(serde_json::Map::new()), Outcome::Created),
        Err(problem) => {
            let name = set_aside(folder, &path)?;
            tracing::warn!(problem, kept_as = name, "the agent's configuration cannot be read");
            (Value::Object(serde_json::Map::new()), Outcome::SetAside(name))
        }
    };
    let merged = config::merge(&document, locked, defaults);
    // A document that needs no change keeps its comments and its order.
    let password = merged["gateway"]["auth"]["password"].as_str().map(str::to_owned);
    if outcome == Outcome::Merged && merged == document {
        return Ok(Written {
            outcome: Outcome::Unchanged,
            password,
        });
    }
    replace(folder, &path, &merged)?;
    Ok(Written { outcome, password })
}

/// The user's document; an error text when there is one that cannot be understood.
fn read_document(path: &Path) -> Result<Option<Value>, String> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("larger than {MAX_BYTES} bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
    match json5::from_str::<Value>(text.trim_start_matches('\u{feff}')) {
        Ok(document @ Value::Object(_)) => Ok(Some(document)),
        Ok(_) => Err("not an object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Keeps an unreadable document under the first free name.
fn set_aside(folder: &Path, path: &Path) -> io::Result<String> {
    for number in 1..=MAX_ASIDE {
        let name = format!("{FILE}.unreadable-{number}");
        let kept = folder.join(&name);
        if fs::symlink_metadata(&kept).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            fs::rename(path, kept)?;
            return Ok(name);
        }
    }
    Err(io::Error::other(
        "too many unreadable configurations are kept; remove some",
    ))
}

/// A reader sees the old document or the new one, never half of one, even when the machine stops in between.
fn replace(folder: &Path, path: &Path, document: &Value) -> io::Result<()> {
    let partial = folder.join(format!(".{FILE}.{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)?;
    let written = serde_json::to_writer_pretty(&mut file, document)
        .map_err(io::Error::from)
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;

    fn merged_over(existing: Option<&[u8]>) -> (tempfile::TempDir, Outcome, Value) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(STATE_FOLDER);
        if let Some(existing) = existing {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(FILE), existing).unwrap();
        }
        let outcome = merge_file(&folder, &json!({"gateway": {"port": 5}}), &json!({"d": 1}))
            .unwrap()
            .outcome;
        let document = json5::from_str(&fs::read_to_string(folder.join(FILE)).unwrap()).unwrap();
        (home, outcome, document)
    }

    #[test]
    fn a_missing_document_is_created_for_its_owner_only() {
        let (home, outcome, document) = merged_over(None);
        assert_eq!(
            (outcome, document),
            (Outcome::Created, json!({"gateway": {"port": 5}, "d": 1}))
        );
        let mode = fs::metadata(home.path().join(STATE_FOLDER).join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(home.path().join(STATE_FOLDER)).unwrap().count(),
            1,
            "no partial file stays"
        );
    }

    #[test]
    fn json5_is_read_and_the_users_keys_stay() {
        let (_home, outcome, document) = merged_over(Some(b"// mine\n{a: 'b', gateway: {port: 1, x: [1,],}, d: 2}"));
        assert_eq!(
            (outcome, document),
            (
                Outcome::Merged,
                json!({"a": "b", "gateway": {"port": 5, "x": [1]}, "d": 2})
            )
        );
    }

    #[test]
    fn a_document_that_needs_no_change_keeps_its_comments() {
        let text = b"// mine\n{gateway: {port: 5}, d: 2}";
        let (home, outcome, _) = merged_over(Some(text));
        assert_eq!(outcome, Outcome::Unchanged);
        assert_eq!(fs::read(home.path().join(STATE_FOLDER).join(FILE)).unwrap(), text);
    }

    #[test]
    fn an_unreadable_document_is_kept_under_another_name_each_time() {
        for broken in [b"{a: ".as_slice(), b"[1]", b"\xff\xfe", b""] {
            let (home, outcome, document) = merged_over(Some(broken));
            let folder = home.path().join(STATE_FOLDER);
            assert_eq!(outcome, Outcome::SetAside("openclaw.json.unreadable-1".into()));
            assert_eq!(document["gateway"]["port"], 5);
            assert_eq!(fs::read(folder.join("openclaw.json.unreadable-1")).unwrap(), broken);
            fs::write(folder.join(FILE), "again: broken").unwrap();
            let again = merge_file(&folder, &json!({}), &json!({})).unwrap();
            assert_eq!(again.outcome, Outcome::SetAside("openclaw.json.unreadable-2".into()));
        }
    }
}
