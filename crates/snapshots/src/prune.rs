//! Removes what nobody needs, in two steps: what is not needed is marked, and a later prune removes what was marked long enough ago. So whoever reads or
//! saves while it runs finds everything, and it may be cut off anywhere: indexes are written before the ones that they replace are removed, and packs go last.

use crate::failure::{Failure, Outcome};
use crate::repository::{Access, Opened, cause, object_id, snapshot};
use molt_common::control::snapshot::RepositoryAccess;
use molt_common::snapshot::SnapshotId;
use rustic_core::PruneOptions;
use rustic_core::jiff::Span;
use rustic_core::repofile;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long what is not needed stays. A day's work of upkeep removes what the day before marked.
pub const GRACE: Duration = Duration::from_secs(23 * 3600);

/// What was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Bytes of objects.
    pub bytes: u64,
    /// Objects.
    pub objects: u64,
}

/// Forgets every snapshot but `keep`, and removes what none of those needs and what was marked at least `grace` ago.
///
/// Carried out by [`crate::run`] with a day's grace ([`GRACE`]). The caller sees to it that no snapshot that waits to be published is missing from `keep`.
///
/// # Errors
/// When one of `keep` is not there, or `keep` is empty: then nothing was removed, since something is wrong with the order.
pub fn prune(access: &RepositoryAccess, keep: &[SnapshotId], grace: Duration) -> Outcome<Removed> {
    let access = Access::new(access)?;
    if keep.is_empty() {
        return Err(Failure::lasting("no snapshot is to be kept: nothing was removed"));
    }
    let Opened { repository, backend } = access.open()?;
    for id in keep {
        snapshot(&repository, &backend, *id).map_err(|failure| Failure {
            message: format!("{failure}; it was to be kept, so nothing was removed"),
            ..failure
        })?;
    }
    let keep: BTreeSet<SnapshotId> = keep.iter().copied().collect();
    let all = repository
        .list::<repofile::SnapshotId>()
        .map_err(|error| cause(&backend, error))?;
    let forgotten: Vec<repofile::SnapshotId> = all.filter(|id| !keep.contains(&object_id(**id))).collect();
    repository
        .delete_snapshots(&forgotten)
        .map_err(|error| cause(&backend, error))?;
    let mut options = PruneOptions::default();
    options.keep_delete = Span::new().seconds(i64::try_from(grace.as_secs()).unwrap_or(i64::MAX));
    let plan = repository
        .prune_plan(&options)
        .map_err(|error| cause(&backend, error))?;
    repository
        .prune(&options, plan)
        .map_err(|error| cause(&backend, error))?;
    Ok(Removed {
        bytes: backend.removed_bytes.load(Ordering::Relaxed),
        objects: backend.removed_objects.load(Ordering::Relaxed),
    })
}
