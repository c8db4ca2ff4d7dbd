//! The table of providers: those that everybody has, and those of the deployment's variable `PROVIDERS`, which add to them or replace one of the same id.

use super::path::is_listed_form;
use super::{AgentProvider, Dialect, KeyHeader, LONGEST_ID, PROVIDER_HOST, PROVIDER_PATH, Provider, is_id};
use http::Uri;
use serde_json::Value;
use std::fmt::Display;
use std::net::IpAddr;

/// Longest value of `PROVIDERS`, in bytes.
const LONGEST: usize = 64 * 1024;
/// Most rows of `PROVIDERS`.
const MOST: usize = 32;
/// Most models of a row, and most paths.
const MOST_OF_A_ROW: usize = 128;
/// Longest name of a key or a model, in bytes.
const LONGEST_NAME: usize = 128;

/// Stateless calls alone: what an account stores (files, batches, answers by id) belongs to everybody whose calls carry the same key.
const ANTHROPIC: [&str; 4] = [
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/models",
    "/v1/models/*",
];
const OPENAI: [&str; 13] = [
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/images/edits",
    "/v1/images/generations",
    "/v1/models",
    "/v1/models/*",
    "/v1/moderations",
    "/v1/responses",
    "/v1/responses/input_tokens",
];

/// Why there is no table. Names the setting and the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub struct TableError {
    /// Such as `PROVIDERS[2].baseUrl`.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

impl TableError {
    fn new(field: impl Display, why: impl Display) -> Self {
        Self {
            field: field.to_string(),
            why: why.to_string(),
        }
    }
}

/// Providers, each id once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(Vec<Provider>);

impl Table {
    /// Reads the deployment's settings: `PROVIDERS`, a JSON list of [`Provider`], and `AI_GATEWAY_BASE_URL`. What is absent adds nothing.
    ///
    /// # Errors
    /// When a row is not what a provider is; there is no table then rather than part of one.
    pub fn read(providers: Option<&str>, gateway: Option<&str>) -> Result<Self, TableError> {
        let mut rows = vec![
            builtin(
                "anthropic",
                Dialect::Anthropic,
                "https://api.anthropic.com",
                "ANTHROPIC_API_KEY",
            ),
            builtin("openai", Dialect::Openai, "https://api.openai.com", "OPENAI_API_KEY"),
        ];
        if let Some(base) = gateway {
            rows.push(ai_gateway(base)?);
        }
        let own = providers.map(own_rows).transpose()?.unwrap_or_default();
        rows.retain(|row| own.iter().all(|one| one.id != row.id));
        rows.extend(own);
        Ok(Self(rows))
    }

    /// All of them, in no particular order.
    #[must_use]
    pub fn rows(&self) -> &[Provider] {
        &self.0
    }

    /// The one of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Provider> {
        self.0.iter().find(|row| row.id == id)
    }
}

impl Provider {
    /// What the agent is told of it. Clients of the `OpenAI` dialect expect the version in their base URL, those of the `Anthropic` one add it.
    #[must_use]
    pub fn for_agent(&self) -> AgentProvider {
        let versioned = self.dialect == Dialect::Openai && self.paths.iter().any(|path| path.starts_with("/v1/"));
        let version = if versioned { "/v1" } else { "" };
        AgentProvider {
            id: self.id.clone(),
            dialect: self.dialect,
            base_url: format!("http://{PROVIDER_HOST}{PROVIDER_PATH}/{}{version}", self.id),
            models: self.models.clone(),
        }
    }
}

fn builtin(id: &str, dialect: Dialect, base: &str, key_name: &str) -> Provider {
    let (key_header, paths): (_, &[&str]) = match dialect {
        Dialect::Openai => (KeyHeader::Bearer, &OPENAI),
        Dialect::Anthropic => (KeyHeader::XApiKey, &ANTHROPIC),
    };
    Provider {
        id: id.to_owned(),
        dialect,
        base_url: base.to_owned(),
        key_header,
        key_name: key_name.to_owned(),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        models: Vec::new(),
    }
}

/// Cloudflare AI Gateway: the last segment of its base says which protocol it passes on. Below `openai` and `compat` there is no version in the path.
fn ai_gateway(base: &str) -> Result<Provider, TableError> {
    let base = checked_base(base).map_err(|why| TableError::new("AI_GATEWAY_BASE_URL", why))?;
    let openai = base.ends_with("/openai") || base.ends_with("/compat");
    let dialect = if openai { Dialect::Openai } else { Dialect::Anthropic };
    let mut row = builtin("ai-gateway", dialect, &base, "AI_GATEWAY_API_KEY");
    if openai {
        for path in &mut row.paths {
            if let Some(plain) = path.strip_prefix("/v1") {
                *path = plain.to_owned();
            }
        }
    }
    Ok(row)
}

fn own_rows(text: &str) -> Result<Vec<Provider>, TableError> {
    if text.len() > LONGEST {
        return Err(TableError::new("PROVIDERS", format!("is longer than {LONGEST} bytes")));
    }
    let rows: Vec<Value> = serde_json::from_str(text)
        .map_err(|error| TableError::new("PROVIDERS", format!("is no JSON list: {error}")))?;
    if rows.len() > MOST {
        return Err(TableError::new("PROVIDERS", format!("has more than {MOST} rows")));
    }
    let mut own: Vec<Provider> = Vec::with_capacity(rows.len());
    for (number, row) in rows.into_iter().enumerate() {
        let place = format!("PROVIDERS[{number}]");
        let row: Provider =
            serde_json::from_value(row).map_err(|error| TableError::new(&place, format!("is no provider: {error}")))?;
        let row = checked(row).map_err(|(field, why)| TableError::new(format!("{place}.{field}"), why))?;
        if own.iter().any(|one| one.id == row.id) {
            return Err(TableError::new(format!("{place}.id"), "is there twice"));
        }
        own.push(row);
    }
    Ok(own)
}

fn checked(mut row: Provider) -> Result<Provider, (String, String)> {
    let wrong = |field: &str, why: &str| Err((field.to_owned(), why.to_owned()));
    if !is_id(&row.id) {
        return wrong("id", &format!("must be [a-z][a-z0-9-]*, at most {LONGEST_ID} bytes"));
    }
    row.base_url = checked_base(&row.base_url).map_err(|why| ("baseUrl".to_owned(), why.to_owned()))?;
    if !is_key_name(&row.key_name) {
        return wrong(
            "keyName",
            "must be [A-Z][A-Z0-9_]*, at most 64 bytes, and none of the platform's own secrets",
        );
    }
    if row.paths.is_empty() || row.paths.len() > MOST_OF_A_ROW {
        return wrong("paths", &format!("must be 1 to {MOST_OF_A_ROW}"));
    }
    for (number, path) in row.paths.iter().enumerate() {
        if !is_listed_form(path) {
            return wrong(
                &format!("paths[{number}]"),
                "must be a plain path, or one with /* at its end",
            );
        }
    }
    if row.models.len() > MOST_OF_A_ROW {
        return wrong("models", &format!("must be at most {MOST_OF_A_ROW}"));
    }
    for (number, model) in row.models.iter().enumerate() {
        let is_name = |text: &str| (1..=LONGEST_NAME).contains(&text.len()) && !text.chars().any(char::is_control);
        if !is_name(&model.id) || model.id.contains(char::is_whitespace) {
            return wrong(&format!("models[{number}].id"), "must be 1 to 128 bytes without blanks");
        }
        if !model.name.as_deref().is_none_or(is_name) {
            return wrong(&format!("models[{number}].name"), "must be 1 to 128 bytes");
        }
    }
    Ok(row)
}

/// What a key is named, in the gateway's secrets and among a user's own. The platform's other secrets are no keys of providers: whoever may write
/// `PROVIDERS` must not be able to send them anywhere.
fn is_key_name(name: &str) -> bool {
    let plain = name.len() <= 64
        && name.bytes().next().is_some_and(|first| first.is_ascii_uppercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    plain && !["MOLT_", "LEGACY_"].iter().any(|ours| name.starts_with(ours))
}

/// A base URL without slashes at its end.
fn checked_base(text: &str) -> Result<String, &'static str> {
    const FORM: &str =
        "must be https://host[/path] without query, user or escapes; http only for an address of this machine";
    let text = text.trim_end_matches('/');
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/@[]".contains(&byte));
    let uri: Uri = text.parse().map_err(|_| FORM)?;
    let (Some(scheme), Some(authority), Some(host)) = (uri.scheme_str(), uri.authority(), uri.host()) else {
        return Err(FORM);
    };
    let secure = scheme == "https" || (scheme == "http" && is_loopback(host));
    let path_is_plain = uri.path() == "/" || super::path::is_plain(uri.path());
    if plain && secure && path_is_plain && !authority.as_str().contains('@') && !host.is_empty() {
        Ok(text.to_owned())
    } else {
        Err(FORM)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
