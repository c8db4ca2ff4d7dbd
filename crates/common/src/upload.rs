//! Uploads in parts: what the tus protocol (version 1.0.0, tus.io) says in its headers, and what an upload is for. Pure.

use crate::path;
use crate::problem::Problem;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Path of the uploads; each is one segment below.
pub const PATH: &str = "/_molt/uploads";
/// The one version of the protocol that is spoken.
pub const VERSION: &str = "1.0.0";
/// Its extensions that are spoken.
pub const EXTENSIONS: &str = "creation,creation-with-upload,expiration,termination,checksum";
/// Algorithms of `Upload-Checksum`.
pub const CHECKSUMS: &str = "sha1,sha256";
/// Content type of a part.
pub const PART: &str = "application/offset+octet-stream";
/// Longest `Upload-Metadata`, bytes.
pub const LONGEST_METADATA: usize = 4096;
/// Longest target, bytes.
const LONGEST_TARGET: usize = 2048;
/// Longest content type, bytes.
const LONGEST_TYPE: usize = 256;

/// Names of headers.
pub mod header {
    /// Version of the protocol.
    pub const RESUMABLE: &str = "tus-resumable";
    /// Bytes that are there.
    pub const OFFSET: &str = "upload-offset";
    /// Bytes that there will be.
    pub const LENGTH: &str = "upload-length";
    /// Length that is told later; not spoken.
    pub const DEFER: &str = "upload-defer-length";
    /// What it is for.
    pub const METADATA: &str = "upload-metadata";
    /// Hash of a part.
    pub const CHECKSUM: &str = "upload-checksum";
    /// When it is forgotten.
    pub const EXPIRES: &str = "upload-expires";
}

/// Id of an upload: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct UploadId(String);

impl UploadId {
    /// From random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Reads one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let sound = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        sound.then(|| Self(text.to_owned()))
    }

    /// As it stands in a path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UploadId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("is no id of an upload")
    }
}

/// What a path below [`PATH`] means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// All uploads.
    All,
    /// One upload.
    One(UploadId),
    /// What the agent answered to it.
    Answer(UploadId),
    /// Its delivery to the agent.
    Delivery(UploadId),
}

impl Place {
    /// Reads a path. `None`: nothing is there.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix(PATH)?;
        let Some(rest) = rest.strip_prefix('/').filter(|rest| !rest.is_empty()) else {
            return matches!(rest, "" | "/").then_some(Self::All);
        };
        let (id, what) = rest.split_once('/').map_or((rest, None), |(id, what)| (id, Some(what)));
        let id = UploadId::parse(id)?;
        match what {
            None => Some(Self::One(id)),
            Some("answer") => Some(Self::Answer(id)),
            Some("delivery") => Some(Self::Delivery(id)),
            Some(_) => None,
        }
    }
}

/// How the agent gets the upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `POST`: never sent again by itself.
    Post,
    /// `PUT`: sent again when nobody knows how the last one went (RFC 9110 9.2.2).
    Put,
    /// `PATCH`: never sent again by itself.
    Patch,
}

impl Method {
    /// As it stands in a request line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

/// The request that the agent gets once all bytes are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Its method.
    pub method: Method,
    /// Its path, with query.
    pub path: String,
    /// Its `Content-Type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

impl Target {
    /// Reads `Upload-Metadata`: `target` is the path and must be there; `method` is POST, PUT or PATCH, POST when absent; `contentType`, or what
    /// tus clients call it, `filetype` or `type`. What further keys say is for the client alone, who finds it in `HEAD` again.
    ///
    /// # Errors
    /// 400 `invalid_request` that names the key.
    pub fn from_metadata(header: &str) -> Result<Self, Problem> {
        let pairs = metadata(header)?;
        let value = |key: &str| {
            pairs
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.as_str())
        };
        let path = value("target").ok_or_else(|| {
            Problem::invalid(
                "target",
                "is missing in Upload-Metadata: the path for which the upload is.",
            )
        })?;
        let method = match value("method") {
            None | Some("POST") => Method::Post,
            Some("PUT") => Method::Put,
            Some("PATCH") => Method::Patch,
            Some(_) => return Err(Problem::invalid("method", "is not POST, PUT or PATCH.")),
        };
        let content_type = ["contentType", "filetype", "type"]
            .into_iter()
            .find_map(value)
            .filter(|kind| !kind.is_empty());
        if content_type
            .is_some_and(|kind| kind.len() > LONGEST_TYPE || !kind.bytes().all(|byte| matches!(byte, b' '..=b'~')))
        {
            return Err(Problem::invalid("contentType", "is not a content type."));
        }
        check_path(path)?;
        Ok(Self {
            method,
            path: path.to_owned(),
            content_type: content_type.map(str::to_owned),
        })
    }
}

fn check_path(target: &str) -> Result<(), Problem> {
    let bare = target.split('?').next().unwrap_or_default();
    let sound = target.starts_with('/')
        && !target.starts_with("//")
        && target.len() <= LONGEST_TARGET
        && target
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\' | b'"' | b'<' | b'>'));
    if !sound {
        return Err(Problem::invalid(
            "target",
            "is not a path: it begins with one slash and is written in ASCII, without a fragment.",
        ));
    }
    let reserved = path::RESERVED.iter().any(|prefix| path::below(bare, prefix));
    if reserved || path::spelling(bare) == path::Spelling::Ambiguous {
        return Err(Problem::invalid(
            "target",
            "belongs to the platform: no agent is reached by it.",
        ));
    }
    Ok(())
}

/// `Upload-Metadata`: pairs of key and base64 value, joined by commas.
///
/// # Errors
/// 400 `invalid_request` with field `Upload-Metadata`.
pub fn metadata(header: &str) -> Result<Vec<(String, String)>, Problem> {
    let invalid = |why: &str| Problem::invalid("Upload-Metadata", why);
    if header.len() > LONGEST_METADATA {
        return Err(invalid("is too long."));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("has a key that is not ASCII."));
        }
        if pairs.iter().any(|(known, _)| known == key) {
            return Err(invalid("has a key twice."));
        }
        let value = STANDARD
            .decode(value.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        pairs.push((
            key.to_owned(),
            value.ok_or_else(|| invalid("has a value that is not base64 of a text."))?,
        ));
    }
    Ok(pairs)
}

/// A count of bytes as these headers state it: digits and nothing else.
///
/// # Errors
/// 400 `invalid_request` that names the header.
pub fn count(name: &str, text: &str) -> Result<u64, Problem> {
    let digits = !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.ok_or_else(|| Problem::invalid(name, "is not a number of bytes."))
}

/// A hash that a part must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-1, which the protocol asks every server for. It finds broken bytes; nothing is trusted by it.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Checksum {
    /// Reads `Upload-Checksum`: algorithm and base64 value.
    ///
    /// # Errors
    /// 400 `invalid_request` with field `Upload-Checksum`.
    pub fn parse(header: &str) -> Result<Self, Problem> {
        let invalid = || {
            Problem::invalid(
                "Upload-Checksum",
                "is not the name of an algorithm (sha1, sha256) and a base64 value.",
            )
        };
        let (algorithm, value) = header.trim().split_once(' ').ok_or_else(invalid)?;
        let value = STANDARD.decode(value.trim()).map_err(|_| invalid())?;
        match algorithm {
            "sha1" => value.try_into().map(Self::Sha1).map_err(|_| invalid()),
            "sha256" => value.try_into().map(Self::Sha256).map_err(|_| invalid()),
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
