//! Files of a user's sandbox, as the admin worker asks the `Sandbox` object for them: a request that is passed on, so that bytes flow in both
//! directions without being read on the way. Its query is a [`crate::control::files::FilesQuery`], its order stands in a header.

use crate::audit::Author;
use crate::id::UserId;
use crate::snapshot::SnapshotId;
use serde::{Deserialize, Serialize};

/// Path of the call, below `http://calls.object`.
pub const PATH: &str = "/files";
/// Path of a batch.
pub const BATCH_PATH: &str = "/files/batch";
/// Header with the [`FilesOrder`] as JSON.
pub const ORDER: &str = "x-molt-files-order";

/// Headers of an answer.
pub mod header {
    /// `sandbox` or `snapshot`: where it comes from.
    pub const SOURCE: &str = "x-files-source";
    /// Generation of the sandbox that answered, or that took the snapshot.
    pub const GENERATION: &str = "x-files-generation";
    /// Which snapshot.
    pub const SNAPSHOT: &str = "x-files-snapshot";
    /// When it was taken, ISO-8601.
    pub const TAKEN_AT: &str = "x-files-taken-at";
    /// `HEAD` of what is no file: what it is (`crate::control::files::FileKind`).
    pub const KIND: &str = "x-files-kind";
    /// All that an answer may have, besides those of HTTP.
    pub const OURS: [&str; 5] = [SOURCE, GENERATION, SNAPSHOT, TAKEN_AT, KIND];
}

/// Where files are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileSource {
    /// The running sandbox, else the newest published snapshot.
    #[default]
    Auto,
    /// The running sandbox.
    Sandbox,
    /// A snapshot.
    Snapshot,
}

impl FileSource {
    /// Reads a word; `container` and `r2` are what older clients say.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "sandbox" | "container" => Some(Self::Sandbox),
            "snapshot" | "r2" => Some(Self::Snapshot),
            _ => None,
        }
    }
}

/// What is asked beside the query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilesOrder {
    /// Whose sandbox it is.
    pub user: UserId,
    /// Who asks, for the audit trail.
    pub author: Author,
    /// Where files are read.
    pub source: FileSource,
    /// Which snapshot; the newest published one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the supervisor in the sandbox.
    Sandbox,
    /// To a snapshot.
    Snapshot,
    /// Nowhere: it needs a sandbox that runs, and none is started for it.
    NotRunning,
    /// Nowhere: what is saved does not change.
    ReadOnly,
}

impl FilesOrder {
    /// Where a call goes. Nothing is ever started for it.
    #[must_use]
    pub const fn destination(&self, writes: bool, runs: bool) -> Destination {
        let snapshot = self.snapshot.is_some() || matches!(self.source, FileSource::Snapshot);
        match (writes, snapshot, self.source, runs) {
            (true, true, ..) => Destination::ReadOnly,
            (false, true, ..) => Destination::Snapshot,
            (_, false, _, true) => Destination::Sandbox,
            (false, false, FileSource::Auto, false) => Destination::Snapshot,
            (_, false, _, false) => Destination::NotRunning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Destination, FileSource, FilesOrder};
    use crate::audit::Author;
    use crate::id::UserId;
    use crate::snapshot::SnapshotId;

    #[test]
    fn what_runs_is_asked_and_nothing_is_started() {
        use Destination::{NotRunning, ReadOnly, Sandbox, Snapshot};
        let order = |source, snapshot: bool| FilesOrder {
            user: UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap(),
            author: Author {
                actor: "bootstrap".into(),
                request_id: String::new(),
            },
            source,
            snapshot: snapshot.then(|| SnapshotId::new([7; 32])),
        };
        for (source, named, [read_running, read_stopped, write_running, write_stopped]) in [
            (FileSource::Auto, false, [Sandbox, Snapshot, Sandbox, NotRunning]),
            (FileSource::Sandbox, false, [Sandbox, NotRunning, Sandbox, NotRunning]),
            (FileSource::Snapshot, false, [Snapshot, Snapshot, ReadOnly, ReadOnly]),
            (FileSource::Auto, true, [Snapshot, Snapshot, ReadOnly, ReadOnly]),
        ] {
            let order = order(source, named);
            let found = [
                order.destination(false, true),
                order.destination(false, false),
                order.destination(true, true),
                order.destination(true, false),
            ];
            assert_eq!(
                found,
                [read_running, read_stopped, write_running, write_stopped],
                "{source:?} {named}"
            );
        }
        assert_eq!(FileSource::parse("r2"), Some(FileSource::Snapshot));
        assert_eq!(FileSource::parse("container"), Some(FileSource::Sandbox));
        assert_eq!(FileSource::parse("R2"), None);
    }
}
