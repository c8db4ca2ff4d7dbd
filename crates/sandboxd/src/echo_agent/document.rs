//! The configuration of the echo agent: a small schema, and the part of the agent's protocol that reads and replaces the document.
//!
//! As the real one, it refuses keys that it does not know, does not start with a document that it refuses, wants the hash of what is replaced, and
//! stamps what it writes.

use std::fs;
use std::io;
use std::path::PathBuf;

use molt_common::id::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::agent::{CHECKED_PATH_VARIABLE, PASSWORD_VARIABLE};
use crate::clock::now_ms;

/// Keys at the top that it knows.
const KNOWN: [&str; 12] = [
    "agents", "channels", "gateway", "models", "update", "logging", "meta", "messages", "session", "tools", "plugins",
    "ui",
];
const FOLDER: &str = ".openclaw";
const FILE: &str = "openclaw.json";

/// One request of the protocol that was answered.
pub struct Answered(pub Value);

/// What is wrong with a document, as `(path, message)`.
fn problem(document: &Value) -> Option<(String, String)> {
    let Some(fields) = document.as_object() else {
        return Some(("<root>".into(), "Expected an object".into()));
    };
    for (name, value) in fields {
        if !KNOWN.contains(&name.as_str()) {
            return Some(("<root>".into(), format!("Unrecognized key: \"{name}\"")));
        }
        if !value.is_object() {
            return Some((name.clone(), "Expected an object".into()));
        }
    }
    let level = &document["logging"]["level"];
    let levels = ["silent", "error", "warn", "info", "debug", "trace"];
    (!level.is_null() && !levels.iter().any(|known| level == known))
        .then(|| ("logging.level".into(), "Invalid option".into()))
}

fn read(path: &PathBuf) -> io::Result<Option<(Vec<u8>, Value)>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let document = json5::from_str(&text).map_err(io::Error::other)?;
    Ok(Some((bytes, document)))
}

fn path() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    home.join(FOLDER).join(FILE)
}

/// `--check-config`: prints whether the document fits. Whether it does.
pub fn check() -> bool {
    let path = std::env::var_os(CHECKED_PATH_VARIABLE).map_or_else(path, PathBuf::from);
    let found = match read(&path) {
        Ok(found) => found.and_then(|(_, document)| problem(&document)),
        Err(error) => Some(("<root>".into(), error.to_string())),
    };
    let told = match &found {
        None => json!({ "valid": true }),
        Some((at, message)) => json!({ "valid": false, "issues": [{ "path": at, "message": message }] }),
    };
    println!("{told}");
    found.is_none()
}

/// Refuses to start with a document that does not fit.
pub fn must_fit() -> io::Result<()> {
    match read(&path())?.and_then(|(_, document)| problem(&document)) {
        Some((at, message)) => Err(io::Error::other(format!("invalid config: {at}: {message}"))),
        None => Ok(()),
    }
}

/// Answers a request of the protocol; nothing for what is none, or comes from somebody who has not said the password.
pub fn answer(text: &str, admitted: &mut bool) -> Option<Answered> {
    let request: Value = serde_json::from_str(text).ok()?;
    if request["type"] != "req" {
        return None;
    }
    let password = std::env::var(PASSWORD_VARIABLE).ok()?;
    if request["method"] == "connect" {
        *admitted = request["params"]["auth"]["password"] == password.as_str();
    }
    if !*admitted {
        return None;
    }
    let outcome = match request["method"].as_str()? {
        "connect" => Ok(json!({ "type": "hello-ok" })),
        "config.get" => get(),
        "config.apply" => apply(&request["params"]),
        _ => Err("unknown method".to_owned()),
    };
    let id = &request["id"];
    Some(Answered(match outcome {
        Ok(payload) => json!({ "type": "res", "id": id, "ok": true, "payload": payload }),
        Err(message) => {
            json!({ "type": "res", "id": id, "ok": false, "error": { "code": "INVALID_REQUEST", "message": message } })
        }
    }))
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn get() -> Result<Value, String> {
    let found = read(&path()).map_err(|error| error.to_string())?;
    Ok(json!({ "exists": found.is_some(), "hash": found.map(|(bytes, _)| digest(&bytes)) }))
}

fn apply(params: &Value) -> Result<Value, String> {
    let (bytes, before) = read(&path())
        .map_err(|error| error.to_string())?
        .ok_or("no config file")?;
    if params["baseHash"] != digest(&bytes).as_str() {
        return Err("config changed since last load; re-run config.get and retry".into());
    }
    let mut document: Value =
        json5::from_str(params["raw"].as_str().unwrap_or_default()).map_err(|error: json5::Error| error.to_string())?;
    if let Some((at, message)) = problem(&document) {
        return Err(format!("invalid config: {at}: {message}"));
    }
    document["meta"] = json!({ "lastTouchedAt": now_ms() });
    let path = path();
    let partial = path.with_extension("json.tmp");
    fs::write(&partial, document.to_string())
        .and_then(|()| fs::rename(&partial, &path))
        .map_err(|error| error.to_string())?;
    let restart = document["gateway"] != before["gateway"];
    Ok(json!({ "ok": true, "sentinel": { "payload": { "stats": { "requiresRestart": restart } } } }))
}
