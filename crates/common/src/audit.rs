//! The audit trail: each object that changes something keeps a chain of entries, each of which names the one before by its hash. A changed,
//! removed, moved or foreign entry breaks the chain at a place that [`Walk`] names.

use crate::id::{IdError, UserId, hex};
use crate::redaction;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Longest text in a detail, in characters.
const LONGEST_TEXT: usize = 500;

/// Names one chain; part of each hash, so that no entry fits another chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Chain {
    /// Keys, suspensions, invitations: `control-plane`.
    ControlPlane,
    /// Commands in a user's sandbox: `exec:<user id>`.
    Exec(UserId),
    /// A user's sandbox itself: `sandbox:<user id>`.
    Sandbox(UserId),
}

/// The text names no chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownChain {
    /// Neither of the three forms.
    #[error("must be control-plane, exec:<user id> or sandbox:<user id>")]
    Form,
    /// What follows the colon.
    #[error("names a user whose id {0}")]
    User(#[from] IdError),
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlPlane => f.write_str("control-plane"),
            Self::Exec(user) => write!(f, "exec:{user}"),
            Self::Sandbox(user) => write!(f, "sandbox:{user}"),
        }
    }
}

impl FromStr for Chain {
    type Err = UnknownChain;

    fn from_str(text: &str) -> Result<Self, UnknownChain> {
        match text.split_once(':') {
            None if text == "control-plane" => Ok(Self::ControlPlane),
            Some(("exec", user)) => Ok(Self::Exec(UserId::parse(user)?)),
            Some(("sandbox", user)) => Ok(Self::Sandbox(UserId::parse(user)?)),
            _ => Err(UnknownChain::Form),
        }
    }
}

impl TryFrom<String> for Chain {
    type Error = UnknownChain;
    fn try_from(text: String) -> Result<Self, UnknownChain> {
        text.parse()
    }
}

impl From<Chain> for String {
    fn from(chain: Chain) -> Self {
        chain.to_string()
    }
}

/// Who changes something, and in which request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Author {
    /// `bootstrap`, `key:<id>`, `user:<id>` or `system`.
    pub actor: String,
    /// Request that asked for it; empty for what the platform does by itself.
    pub request_id: String,
}

/// What was done, before it has a place in a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<'a> {
    /// When.
    pub at: Millis,
    /// Who.
    pub author: &'a Author,
    /// What, `<thing>.<done>`.
    pub action: &'a str,
    /// To what: an id.
    pub target: &'a str,
    /// More, as a JSON object; it is cleaned before it is kept.
    pub detail: &'a Value,
}

/// One link of a chain, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Counts from 1 without a gap.
    pub seq: u64,
    /// When.
    pub at: Millis,
    /// See [`Author`].
    pub actor: String,
    /// See [`Change`].
    pub action: String,
    /// See [`Change`].
    pub target: String,
    /// See [`Author`].
    pub request_id: String,
    /// JSON text without secrets.
    pub detail: String,
    /// Hash of the entry before; [`Head::start`]'s for the first.
    pub previous: String,
    /// Over the chain's name, `previous` and all other fields.
    pub hash: String,
}

/// The newest link: what the next one is fastened to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of entries.
    pub seq: u64,
    /// Hash of the newest, 64 hexadecimal digits.
    pub hash: String,
}

impl Head {
    /// That of a chain without entries.
    #[must_use]
    pub fn start() -> Self {
        Self {
            seq: 0,
            hash: "0".repeat(64),
        }
    }

    /// `<seq>.<hash>`, for a cursor.
    #[must_use]
    pub fn cursor(&self) -> String {
        format!("{}.{}", self.seq, self.hash)
    }

    /// Reads a cursor.
    #[must_use]
    pub fn from_cursor(text: &str) -> Option<Self> {
        let (seq, hash) = text.split_once('.')?;
        let digits = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        Some(Self {
            // Counters in JavaScript end there.
            seq: seq.parse().ok().filter(|seq| *seq < 1 << 53 && digits)?,
            hash: hash.into(),
        })
    }

    /// The link that follows.
    #[must_use]
    pub fn next(&self, chain: Chain, change: &Change<'_>) -> Entry {
        let mut entry = Entry {
            seq: self.seq + 1,
            at: change.at,
            actor: change.author.actor.clone(),
            action: change.action.into(),
            target: change.target.into(),
            request_id: change.author.request_id.clone(),
            detail: kept(change.detail).to_string(),
            previous: self.hash.clone(),
            hash: String::new(),
        };
        entry.hash = entry.digest(chain);
        entry
    }
}

impl Entry {
    /// SHA-256 over every field, each preceded by its length, so that no two entries have the same bytes.
    fn digest(&self, chain: Chain) -> String {
        let (chain, seq, at) = (chain.to_string(), self.seq.to_string(), self.at.0.to_string());
        let mut hash = Sha256::new();
        for field in [
            "molt/audit/1",
            &chain,
            &self.previous,
            &seq,
            &at,
            &self.actor,
            &self.action,
            &self.target,
            &self.request_id,
            &self.detail,
        ] {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field.as_bytes());
        }
        hex(&hash.finalize())
    }

    /// The head when this is the newest entry.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            seq: self.seq,
            hash: self.hash.clone(),
        }
    }
}

/// Where a chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("entry {seq} {why}")]
pub struct Broken {
    /// The first entry that does not fit.
    pub seq: u64,
    /// How.
    pub why: String,
}

/// A walk along a chain, entry after entry.
#[derive(Clone, Debug)]
pub struct Walk {
    chain: Chain,
    head: Head,
}

impl Walk {
    /// Begins behind `head`, which an earlier walk reached, or at [`Head::start`].
    #[must_use]
    pub const fn behind(chain: Chain, head: Head) -> Self {
        Self { chain, head }
    }

    /// Steps onto the next entry.
    ///
    /// # Errors
    /// [`Broken`] when it is not the one that follows, or not as it was written.
    pub fn step(&mut self, entry: &Entry) -> Result<(), Broken> {
        let expected = self.head.seq + 1;
        let broken = |why: &str| {
            Err(Broken {
                seq: expected,
                why: why.into(),
            })
        };
        if entry.seq != expected {
            return broken("is missing");
        }
        if entry.previous != self.head.hash {
            return broken("does not follow from the one before");
        }
        if entry.hash != entry.digest(self.chain) {
            return broken("is not as it was written");
        }
        self.head = entry.head();
        Ok(())
    }

    /// How far it has come.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }
}

/// What the trail keeps of a detail, the one place that decides: no credential, and no long text. Credentials go first, since half of one
/// would not be known for what it is.
fn kept(detail: &Value) -> Value {
    shortened(&redaction::json(detail.clone()))
}

fn cut(text: &str) -> String {
    let mut kept: String = text.chars().take(LONGEST_TEXT).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

fn shortened(detail: &Value) -> Value {
    match detail {
        Value::String(text) => Value::String(cut(text)),
        Value::Array(items) => items.iter().map(shortened).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), shortened(value)))
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
