//! The agent's configuration file.
//!
//! A process of the agent's own user reads and writes it (`sandboxd read-agent-config`, `write-agent-config`): it cannot read or overwrite more than the
//! agent can.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use molt_common::agent_config::locked::{AGENTS_OWN, defaults, locked};
use molt_common::agent_config::merge::three_way;
use molt_common::agent_config::providers::{default_for, with_model};
use molt_common::agent_config::{hash, layers, secret};
use molt_common::control::config::HandOver;
use molt_common::control::provider::HandProviders;
use molt_common::json5_depth;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::config_check::Check;
use super::{as_agent, default_model};
use crate::settings::Settings;

/// Folder of the agent's state within its home.
pub const STATE_FOLDER: &str = ".openclaw";
/// Its configuration in that folder.
pub const FILE: &str = "openclaw.json";
/// What is being written stands beside it under this name and the number of the process.
const PARTIAL: &str = ".openclaw.json.";
/// Larger than any document a person writes; a file beyond it is set aside like an unreadable one.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Copies of unreadable documents that are told apart by number.
const MAX_ASIDE: u32 = 1000;
/// Role of the process that writes.
pub const WRITE_ROLE: &str = "write-agent-config";
/// Role of the process that reads.
pub const READ_ROLE: &str = "read-agent-config";
/// Role of the process that notes which model is only a default.
pub const NOTE_ROLE: &str = "note-default-model";
/// For the agent's schema to look at a document, on a busy machine.
const CHECK_PATIENCE: Duration = Duration::from_secs(60);

/// What is the platform's in the document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Platform {
    /// Keys that nobody else sets.
    pub locked: Value,
    /// Values where the user has chosen none.
    pub defaults: Value,
    /// The model, where the user has chosen none.
    pub model: Option<String>,
}

impl Platform {
    /// Of this sandbox, whose agent has these providers.
    pub fn of(settings: &Settings, handed: Option<&HandProviders>) -> Self {
        let offered = handed.map(|handed| handed.providers.as_slice()).unwrap_or_default();
        Self {
            locked: locked(
                &settings.owner,
                &settings.public_origins,
                settings.layout.agent_port,
                offered,
            ),
            defaults: defaults(None),
            model: handed.and_then(|handed| handed.default_model.clone()),
        }
    }

    /// The user's part of a document of his.
    pub fn user_part(&self, document: &Value) -> Value {
        layers::user_part(document, &self.locked, &self.defaults)
    }

    /// The user's part of what is on the disk, where `placed` is the default model that stands there.
    pub fn user_part_of_disk(&self, disk: &Value, placed: Option<&str>) -> Value {
        layers::user_part(disk, &self.locked, &with_model(&self.defaults, placed))
    }

    /// The default model that this user's part leaves room for.
    pub fn model_for(&self, user: &Value) -> Option<&str> {
        default_for(user, self.model.as_deref())
    }

    /// The platform's layers around a document.
    fn around(&self, document: &Value) -> Value {
        let defaults = with_model(&self.defaults, self.model_for(document));
        layers::effective(document, &self.locked, &defaults)
    }

    /// What the agent is to find: this user's part, and what the agent keeps in `disk` for itself.
    pub fn effective(&self, user: &Value, disk: &Value) -> Value {
        let mut whole = self.around(user);
        if let Some(fields) = whole.as_object_mut() {
            for name in AGENTS_OWN {
                if let Some(own) = disk.get(name) {
                    fields.insert(name.to_owned(), own.clone());
                }
            }
        }
        whole
    }
}

/// What the writing process is told, on its standard input.
#[derive(Serialize, Deserialize)]
struct Order {
    home: PathBuf,
    platform: Platform,
    handed: Option<HandOver>,
    check: Check,
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
    /// Why the document that was handed over was not taken, if it was not.
    pub refused: Option<String>,
    /// Places of it whose secrets are not on the disk.
    pub missing: Vec<String>,
}

/// What the reading process found.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// A document; an empty one where there is no file.
    Document {
        /// As it is.
        document: Value,
        /// Models that are noted as the platform's default ([`default_model`]).
        noted: Vec<String>,
    },
    /// Something that is none.
    Unreadable(String),
}

/// Has a process of the agent's user write the file, with the document that was handed over, if one was.
pub async fn write(settings: &Settings, platform: &Platform, handed: Option<HandOver>) -> io::Result<Written> {
    let order = Order {
        home: settings.layout.home.clone(),
        platform: platform.clone(),
        handed,
        check: Check::of(settings)?,
    };
    as_agent::ask_within(&settings.layout, WRITE_ROLE, &order, CHECK_PATIENCE).await
}

/// Has a process of the agent's user read it.
pub async fn read(settings: &Settings) -> io::Result<Found> {
    as_agent::ask(&settings.layout, READ_ROLE, &settings.layout.home).await
}

/// Has a process of the agent's user note which models in the file are only a default.
pub async fn note(settings: &Settings, models: &[&str]) -> io::Result<()> {
    as_agent::ask(&settings.layout, NOTE_ROLE, &(&settings.layout.home, models)).await
}

/// `sandboxd note-default-model`.
pub fn run_note() -> ExitCode {
    as_agent::answer(|(home, models): (PathBuf, Vec<String>)| {
        let models: Vec<&str> = models.iter().map(String::as_str).collect();
        default_model::write(&home.join(STATE_FOLDER), &models)
    })
}

/// `sandboxd write-agent-config`.
pub fn run_write() -> ExitCode {
    as_agent::answer(|order: Order| write_file(&order))
}

/// `sandboxd read-agent-config`.
pub fn run_read() -> ExitCode {
    as_agent::answer(|home: PathBuf| {
        let folder = home.join(STATE_FOLDER);
        Ok(match read_document(&folder.join(FILE)) {
            Ok(document) => Found::Document {
                document: document.unwrap_or_else(|| Value::Object(Map::new())),
                noted: default_model::read(&folder),
            },
            Err(problem) => Found::Unreadable(problem),
        })
    })
}

fn write_file(order: &Order) -> io::Result<Written> {
    let folder = order.home.join(STATE_FOLDER);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    remove_partials(&folder)?;
    let path = folder.join(FILE);
    let (disk, found) = match read_document(&path) {
        Ok(Some(document)) => (document, Outcome::Merged),
        Ok(None) => (Value::Object(Map::new()), Outcome::Created),
        Err(problem) => {
            let name = set_aside(&folder, &path)?;
            tracing::warn!(problem, kept_as = name, "the agent's configuration cannot be read");
            (Value::Object(Map::new()), Outcome::SetAside(name))
        }
    };
    let platform = &order.platform;
    let noted = default_model::read(&folder);
    let placed = default_model::placed(&noted, &disk);
    // What stays of a document that nobody handed over is exactly what it was.
    let standing = layers::without_default(&disk, placed);
    let mut merged = platform.around(&standing);
    let mut model = platform.model_for(&standing).map(str::to_owned);
    let (mut refused, mut missing) = (None, Vec::new());
    // What the agent refuses gives way to what it had before, which an empty disk has not.
    let last_good = order.handed.as_ref().map(|handed| HandOver {
        document: handed.base.clone(),
        ..handed.clone()
    });
    for handed in order.handed.iter().chain(&last_good) {
        let Some((user, absent)) = wanted(handed, platform, (&disk, placed), found == Outcome::Merged) else {
            break;
        };
        let candidate = platform.effective(&user, &disk);
        let partial = keep_apart(&folder, &candidate)?;
        let checked = order.check.run(&partial);
        fs::remove_file(&partial)?;
        match checked {
            Ok(()) => {
                model = platform.model_for(&user).map(str::to_owned);
                (merged, missing) = (candidate, absent);
                break;
            }
            Err(problem) => {
                refused.get_or_insert(problem);
            }
        }
    }
    let password = merged["gateway"]["auth"]["password"].as_str().map(str::to_owned);
    let model: Vec<&str> = model.as_deref().into_iter().collect();
    let both: Vec<&str> = placed.into_iter().chain(model.iter().copied()).collect();
    if noted != model {
        default_model::write(&folder, &both)?;
    }
    // A document that needs no change keeps its comments and its order.
    let outcome = if found == Outcome::Merged && merged == disk {
        Outcome::Unchanged
    } else {
        fs::rename(keep_apart(&folder, &merged)?, &path)?;
        found
    };
    if noted != model && both != model {
        default_model::write(&folder, &model)?;
    }
    Ok(Written {
        outcome,
        password,
        refused,
        missing,
    })
}

/// The user's part that a hand-over makes of what is on the disk, and the places whose secrets are not there; nothing where it changes nothing.
fn wanted(
    handed: &HandOver,
    platform: &Platform,
    (disk, placed): (&Value, Option<&str>),
    has_file: bool,
) -> Option<(Value, Vec<String>)> {
    let user = platform.user_part_of_disk(disk, placed);
    let shown = secret::shown(&user);
    let found = hash(&shown);
    let was_seen = !has_file || found == hash(&handed.base) || handed.known.contains(&found);
    let wanted = if was_seen {
        handed.document.clone()
    } else {
        three_way(&handed.base, &handed.document, &shown)
    };
    (wanted != shown).then(|| secret::restored(&wanted, &user))
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
    // The parser recurses: such a text would end this process, and each start with it.
    if !json5_depth::is_shallow(text) {
        return Err(format!("nested deeper than {}", json5_depth::DEEPEST));
    }
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

/// Removes what writers left that were killed: the user's secrets stand in it, and our own number may come again.
fn remove_partials(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PARTIAL));
        let is_partial =
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
        if is_partial && !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a document beside the file, whole and on the disk, so that a rename lets a reader see the old one or this one and never half of one.
fn keep_apart(folder: &Path, document: &Value) -> io::Result<PathBuf> {
    let partial = folder.join(format!("{PARTIAL}{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)?;
    let written = serde_json::to_writer_pretty(&mut file, document)
        .map_err(io::Error::from)
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all());
    match written {
        Ok(()) => Ok(partial),
        Err(error) => {
            let _ = fs::remove_file(&partial);
            Err(error)
        }
    }
}

#[cfg(test)]
#[path = "config_file_tests.rs"]
mod tests;
