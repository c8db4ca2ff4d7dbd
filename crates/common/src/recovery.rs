//! The control plane in one archive: what D1 and the control objects keep, exported and restored into an empty platform.
//!
//! The archive is a tar file: `recovery.json` says what it is, members of JSON lines follow, at most [`MOST_BYTES`] each, then `manifest.json` with the
//! SHA-256 of every member and `manifest.json.sha256` with its own. Which rows are in it is a table ([`tables`]). A user's row stands before what his
//! objects keep; the lines of one object follow each other and end with a line that counts them.

pub mod archive;
pub mod call;
pub mod generation;
pub mod line;
pub mod manifest;
pub mod tables;

/// Folder of the members.
pub const FOLDER: &str = "moltworker-recovery";
/// Says what the archive is; the first member.
pub const HEAD: &str = "moltworker-recovery/recovery.json";
/// Names every member; the last but one.
pub const MANIFEST: &str = "moltworker-recovery/manifest.json";
/// Digest of the manifest, as `sha256sum` writes it; the last member.
pub const DIGEST: &str = "moltworker-recovery/manifest.json.sha256";
/// Version of the format.
pub const FORMAT: u32 = 1;
/// Longest line, bytes: a version of a configuration, every character of it escaped, has room.
pub const LONGEST_LINE: usize = 700_000;
/// Longest member of JSON lines, bytes: one call of the admin API takes it.
pub const MOST_BYTES: usize = 800_000;
/// What a sandbox notes when a repository of its user lies in the bucket that nobody can open, and another was begun beside it.
pub const BEGUN_AGAIN: &str = "sandbox.repository_begun_again";
/// Most objects of users that one member ends: each is a call of its own when it is restored.
pub const MOST_OBJECTS: usize = 40;
