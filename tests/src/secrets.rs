//! Every secret that a run of tests used, and the search for them in the logs of the stacks it used them with.

use molt_common::redaction;
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Shorter texts stand in logs for other reasons.
const SHORTEST: usize = 16;
/// Larger files of a state folder are no logs.
const LARGEST_LOG: u64 = 64 << 20;

/// Secret, and what it is.
static USED: Mutex<BTreeMap<String, &'static str>> = Mutex::new(BTreeMap::new());

/// Remembers a secret, of a token also its parts: a signature alone must not be in a log either.
///
/// # Panics
/// When another test panicked while it did the same.
pub fn used(what: &'static str, secret: &str) {
    let mut used = USED.lock().expect("the registry of secrets");
    let parts = secret.split('.').skip(1).filter(|_| secret.starts_with("eyJ"));
    for text in parts.chain([secret]).filter(|text| text.len() >= SHORTEST) {
        used.entry(text.to_owned()).or_insert(what);
    }
}

/// Remembers what an answer gave: cookies, and fields of JSON whose names announce a secret.
pub fn obtained(headers: &HeaderMap, body: &[u8]) {
    for cookie in headers.get_all("set-cookie") {
        let pair = cookie
            .to_str()
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default();
        if let Some((_, value)) = pair.split_once('=') {
            used("a cookie", value);
        }
    }
    if let Ok(document) = serde_json::from_slice::<Value>(body) {
        obtained_in(&document);
    }
}

fn obtained_in(document: &Value) {
    match document {
        Value::Array(values) => values.iter().for_each(obtained_in),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text)
                        if redaction::is_secret_name(name) && redaction::field(name, text) == redaction::MASK =>
                    {
                        used("a field of an answer", text)
                    }
                    other => obtained_in(other),
                }
            }
        }
        _ => {}
    }
}

/// The logs below a folder: files that are named so, or that lie in a folder that is.
#[must_use]
pub fn logs_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else {
                continue;
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && (name.contains(".log") || folder.ends_with("logs") || name.contains("trace-store"))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What of the used secrets stands in these files: one line each, without the secret.
///
/// # Panics
/// See [`used`].
#[must_use]
pub fn found_in(logs: &[PathBuf]) -> BTreeSet<String> {
    let used = USED.lock().expect("the registry of secrets");
    let mut found = BTreeSet::new();
    for log in logs {
        if std::fs::metadata(log).is_ok_and(|file| file.len() > LARGEST_LOG) {
            found.insert(format!("{} is too large to be searched", log.display()));
            continue;
        }
        let text = std::fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for (secret, what) in used.iter().filter(|(secret, _)| text.contains(secret.as_str())) {
            let line = text
                .lines()
                .find(|line| line.contains(secret.as_str()))
                .unwrap_or_default();
            let line: String = line.replace(secret.as_str(), "<HERE>").chars().take(400).collect();
            found.insert(format!("{what} is in {}: {}", log.display(), redaction::text(&line)));
        }
    }
    found
}

/// How many secrets a search looks for.
///
/// # Panics
/// See [`used`].
#[must_use]
pub fn known() -> usize {
    USED.lock().expect("the registry of secrets").len()
}
