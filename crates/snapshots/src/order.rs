//! What `sandboxd serve` and its child `sandboxd snapshot` tell each other: one [`Order`] as JSON on the child's standard input, which is closed after it,
//! and one [`Report`] per line on its standard output. The last line is [`Report::Done`] or [`Report::Failed`]; without either, the child was cut off.

use molt_common::control::snapshot::{Difference, RepositoryAccess, SaveStage, Upkeep};
use molt_common::legacy_data::{ImportPlan, ImportReport};
use molt_common::snapshot::{Manifest, SnapshotId, Verification};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a child is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The sandbox's repository. One that is empty is begun by the first save.
    pub repository: RepositoryAccess,
    /// The folder that is saved and restored: the home of the agent.
    pub home: PathBuf,
    /// A folder of the supervisor's own, on the same disk, for copies of databases and for what was seen last. Closed to the agent.
    pub work_dir: PathBuf,
    /// User and group id that restored files get where the saver could not own them by number (when it is not root).
    pub owner: (u32, u32),
    /// The work.
    pub work: Work,
}

/// The work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "work")]
pub enum Work {
    /// Take a snapshot, read it back, and say what it is.
    Save {
        /// The snapshot whose files are taken for unchanged where size and times are the same.
        parent: Option<SnapshotId>,
        /// Kept in the snapshot's own record: sandbox, generation, reason.
        tags: Vec<String>,
    },
    /// Restore onto an empty disk; refused when the home has anything that the image did not bring.
    Restore {
        /// Which.
        snapshot: SnapshotId,
    },
    /// Take over what the old system kept, onto an empty disk; refused as a restore is.
    Import {
        /// What.
        plan: ImportPlan,
    },
    /// Upkeep.
    Upkeep {
        /// What.
        upkeep: Upkeep,
    },
}

/// What a child says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "report")]
pub enum Report {
    /// How far it is; at most four a second.
    Progress {
        /// Of a save.
        stage: Option<SaveStage>,
        /// Files so far.
        files: u64,
        /// Bytes so far.
        bytes: u64,
        /// Moves while a save copies and checks databases, which adds no bytes; says nothing else.
        #[serde(default)]
        steps: u64,
        /// Bytes altogether, once known.
        total_bytes: Option<u64>,
    },
    /// It is done.
    Done {
        /// What came of it.
        outcome: Box<Outcome>,
    },
    /// It failed, and harmed nothing.
    Failed {
        /// Why, in words for an operator: names the object or the path.
        error: String,
        /// Whether the same order may succeed later (the repository did not answer), as against something that is wrong in it.
        transient: bool,
    },
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// A snapshot is in the repository and was read back.
    Saved {
        /// What it is.
        manifest: Manifest,
    },
    /// The tree is that of the parent: nothing was written.
    Unchanged {
        /// The parent.
        snapshot: SnapshotId,
    },
    /// The disk holds the snapshot.
    Restored {
        /// Regular files.
        files: u64,
        /// Bytes.
        bytes: u64,
    },
    /// The disk holds what the old system kept, verified.
    Imported {
        /// What it came to.
        report: ImportReport,
    },
    /// All was read.
    Verified {
        /// What was found.
        verification: Verification,
    },
    /// What nobody needs is gone.
    Pruned {
        /// Bytes.
        removed_bytes: u64,
        /// Objects.
        removed_objects: u64,
    },
    /// What a restore would change.
    Compared {
        /// The first 1,000.
        differences: Vec<Difference>,
        /// How many there are altogether.
        count: u64,
    },
    /// A file or folder was put back.
    PathRestored {
        /// Paths that were written.
        paths: u64,
        /// Where what was there before is kept now, below the home.
        kept_as: Option<String>,
    },
}
