//! Files below the agent's home: the part of the control API (`crate::control`) that reads and writes them in a running sandbox.
//!
//! `GET|HEAD|PUT|DELETE /v1/files?<FilesQuery>` and `POST /v1/files/batch`. Errors are [`super::ControlError`].

use crate::home_path::HomePath;
use crate::time::Millis;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Path of the one resource; what it is about stands in the query, so that no reader of a URL tidies it up.
pub const PATH: &str = "/v1/files";
/// Path of [`Batch`].
pub const BATCH_PATH: &str = "/v1/files/batch";
/// Entries of a page of a list at most.
pub const MOST_ENTRIES: u32 = 1_000;
/// Bytes of a file that is written at most.
pub const LONGEST_FILE: u64 = 8 << 30;
/// Operations of a batch at most.
pub const MOST_OPERATIONS: usize = 50;
/// Bytes that one operation of a batch reads at most.
pub const LONGEST_READ: u64 = 1 << 20;
/// Bytes that a batch reads at most.
pub const MOST_READ: u64 = 4 << 20;

/// What is told of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileView {
    /// The bytes of a file; `Range`, `If-None-Match` and `HEAD` as HTTP has them.
    #[default]
    Content,
    /// A [`FileEntry`]; a link itself, not where it leads.
    Stat,
    /// A [`FileList`].
    List,
    /// A folder with everything in it, or a file, as a tar archive.
    Tar,
}

impl FileView {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Content, Self::Stat, Self::List, Self::Tar];

    /// As in a query.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Stat => "stat",
            Self::List => "list",
            Self::Tar => "tar",
        }
    }
}

/// The query of `/v1/files`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesQuery {
    /// What it is about.
    pub path: HomePath,
    /// `GET`: what is told of it.
    pub view: FileView,
    /// A list: only names after this one, by their bytes.
    pub after: Option<Vec<u8>>,
    /// A list: at most so many entries, 1 to [`MOST_ENTRIES`].
    pub limit: Option<u32>,
    /// `PUT`: permissions, nine bits; those of the file that is replaced, else 0644, when absent.
    pub mode: Option<u32>,
    /// `DELETE`: a folder with everything in it.
    pub recursive: bool,
}

/// A parameter of the query is wrong: its name, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub struct BadQuery {
    /// Which.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl FilesQuery {
    /// About this path, everything else as usual.
    #[must_use]
    pub fn of(path: HomePath, view: FileView) -> Self {
        Self {
            path,
            view,
            ..Self::default()
        }
    }

    /// Reads a query.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn parse(query: &str) -> Result<Self, BadQuery> {
        let bad = |field: &'static str, why: &str| BadQuery {
            field,
            why: why.to_owned(),
        };
        let mut wanted = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "path" => {
                    wanted.path = HomePath::parse(value).map_err(|error| bad("path", &error.to_string()))?;
                }
                "as" => {
                    let view = FileView::ALL.into_iter().find(|view| view.word() == value);
                    wanted.view = view.ok_or_else(|| bad("as", "must be content, stat, list or tar"))?;
                }
                "after" => {
                    wanted.after =
                        Some(parse_cursor(value).ok_or_else(|| bad("after", "is not one that a list gave"))?);
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MOST_ENTRIES).contains(limit));
                    wanted.limit = Some(limit.ok_or_else(|| bad("limit", "must be from 1 to 1000"))?);
                }
                "mode" => {
                    wanted.mode = Some(parse_mode(value).ok_or_else(|| bad("mode", "must be octal, 000 to 777"))?);
                }
                "recursive" => match value {
                    "1" => wanted.recursive = true,
                    "0" => wanted.recursive = false,
                    _ => return Err(bad("recursive", "must be 1 or 0")),
                },
                _ => return Err(bad("query", "has a parameter that is not known")),
            }
        }
        Ok(wanted)
    }

    /// As a query.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("path={}&as={}", self.path, self.view.word());
        if let Some(after) = &self.after {
            text.push_str(&format!("&after={}", cursor(after)));
        }
        if let Some(limit) = self.limit {
            text.push_str(&format!("&limit={limit}"));
        }
        if let Some(mode) = self.mode {
            text.push_str(&format!("&mode={mode:03o}"));
        }
        if self.recursive {
            text.push_str("&recursive=1");
        }
        text
    }
}

/// Permissions in octal digits; one `0` may stand before three.
#[must_use]
pub fn parse_mode(text: &str) -> Option<u32> {
    let plain = (3..=4).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    u32::from_str_radix(text, 8).ok().filter(|mode| plain && *mode <= 0o777)
}

/// Where a list goes on after this name; it stands in a URL as it is.
#[must_use]
pub fn cursor(name: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

/// The name of a cursor.
#[must_use]
pub fn parse_cursor(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// What something on a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, a socket or a device: never opened.
    Other,
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileEntry {
    /// Its name, for people: bytes that are not UTF-8 are replaced.
    pub name: String,
    /// Below the agent's home, percent-encoded: what stands in a URL.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes; 0 for what is no file.
    pub size: u64,
    /// Permissions in octal digits, such as `0644`.
    pub mode: String,
    /// When it was changed last, epoch milliseconds; null when that is not known.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>))]
    pub modified_at: Option<Millis>,
    /// Where a link leads, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Version of a file, for `If-Match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// A page of a folder, ordered by the bytes of the names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileList {
    /// The folder, percent-encoded; empty for the home.
    pub path: String,
    /// What is in it.
    pub entries: Vec<FileEntry>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// A file was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileWritten {
    /// Where, percent-encoded.
    pub path: String,
    /// Bytes.
    pub bytes_written: u64,
    /// False when it took the place of one that was there.
    pub created: bool,
    /// Its version.
    pub etag: String,
}

/// Several operations, one after the other; each has a result of its own, and a failed one stops no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Batch {
    /// 1 to 50.
    pub operations: Vec<FileOperation>,
    /// Older clients send it; operations follow one another all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<bool>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum FileAction {
    /// Tells a file's bytes, at most 1 MiB.
    Read,
    /// Writes a file.
    Write,
    /// Removes a file, a link, or a folder with nothing in it.
    Delete,
    /// Says whether there is something.
    Exists,
    /// Tells what it is.
    Stat,
}

/// One operation of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileOperation {
    /// What.
    pub op: FileAction,
    /// Below the agent's home, percent-encoded.
    pub path: String,
    /// Text to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Bytes to write, base64; instead of `content`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
    /// Permissions of what is written, octal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// How one operation ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileOutcome {
    /// As asked for.
    pub path: String,
    /// Whether it was done.
    pub success: bool,
    /// Why not: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `exists`: whether there is something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// `read`: a file's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// `read`: the bytes of a file that is no text, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
    /// `stat`, and `read` beside the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<FileEntry>,
    /// `write`: what was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<FileWritten>,
}

/// How a batch ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchOutcome {
    /// Operations that were tried: all.
    pub completed: u32,
    /// Those that were done.
    pub succeeded: u32,
    /// Those that were not.
    pub failed: u32,
    /// One each, in the order of the operations.
    pub results: Vec<FileOutcome>,
}

#[cfg(test)]
mod tests {
    use super::{FileView, FilesQuery, parse_mode};
    use crate::home_path::HomePath;
    use proptest::prelude::*;

    #[test]
    fn what_does_not_fit_is_named() {
        for (query, field) in [
            ("path=/etc", "path"),
            ("path=a%", "path"),
            ("path=a&as=json", "as"),
            ("path=a&after=%", "after"),
            ("path=a&after=YQ==", "after"),
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=x", "limit"),
            ("mode=64", "mode"),
            ("mode=888", "mode"),
            ("mode=4755", "mode"),
            ("mode=%37", "mode"),
            ("recursive=yes", "recursive"),
            ("force=1", "query"),
        ] {
            assert_eq!(FilesQuery::parse(query).unwrap_err().field, field, "{query}");
        }
        assert_eq!(FilesQuery::parse(""), Ok(FilesQuery::default()));
        assert_eq!(
            (parse_mode("0644"), parse_mode("+644"), parse_mode("1777")),
            (Some(0o644), None, None)
        );
    }

    proptest! {
        #[test]
        fn a_query_goes_both_ways(
            path in prop::collection::vec(any::<u8>(), 0..30),
            view in prop::sample::select(FileView::ALL.to_vec()),
            after in prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
            limit in prop::option::of(1_u32..=1_000),
            mode in prop::option::of(0_u32..=0o777),
            recursive in any::<bool>(),
        ) {
            let query = FilesQuery { path: HomePath::from_bytes(&path).unwrap_or_default(), view, after, limit, mode, recursive };
            prop_assert_eq!(FilesQuery::parse(&query.text()), Ok(query));
        }
    }
}
