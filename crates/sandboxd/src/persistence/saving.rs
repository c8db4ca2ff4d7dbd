//! One save: look whether there is anything to save, have it read and sent, have it published.

use molt_common::control::snapshot::{SaveStage, SaveView};
use molt_common::snapshot::{Manifest, PublishAnswer, PublishRequest, SaveReason, SnapshotId};
use molt_common::time::Millis;
use molt_snapshots::order::{Outcome, Work};
use tokio::time::Instant;

use super::changes::{self, Look};
use super::child::{self, Failure};
use super::{Persistence, state};

/// Why a save does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct SaveFailure {
    /// For people.
    pub error: String,
    /// What the edge answered, if it did.
    pub answer: Option<PublishAnswer>,
    /// What was written and does not count until somebody decides.
    pub kept_apart: Option<SnapshotId>,
    /// Whether another attempt may succeed.
    pub again: bool,
}

impl From<Failure> for SaveFailure {
    fn from(failure: Failure) -> Self {
        Self {
            error: failure.error,
            answer: None,
            kept_apart: None,
            again: failure.transient,
        }
    }
}

/// A save that counts.
#[derive(Debug)]
pub struct Saved {
    /// Which.
    pub snapshot: SnapshotId,
    manifest: Option<Box<Manifest>>,
    answer: Option<PublishAnswer>,
}

impl Saved {
    /// As it is told.
    pub fn show(self, view: &mut SaveView) {
        view.stage = SaveStage::Done;
        view.snapshot = Some(self.snapshot);
        view.manifest = self.manifest;
        view.answer = self.answer;
        view.error = None;
    }
}

impl SaveFailure {
    /// As it is told.
    pub fn show(self, view: &mut SaveView) {
        view.stage = SaveStage::Failed;
        view.answer = self.answer;
        view.snapshot = self.kept_apart;
        view.error = Some(self.error);
    }
}

impl Persistence {
    /// Looks at the disk.
    pub(super) async fn look(&self) -> Result<Look, String> {
        let home = self.settings.layout.home.clone();
        let walk = tokio::task::spawn_blocking(move || changes::look(&home, molt_snapshots::policy::left_out));
        let looked = walk.await.map_err(|error| error.to_string())?;
        looked.map_err(|error| format!("the home cannot be read: {error}"))
    }

    /// Takes note of a look: what is on the disk is safe as long as it is what was saved.
    pub(super) fn note(&self, look: &Look) -> bool {
        self.change(|state| {
            let same = state.baseline.is_some_and(|baseline| baseline.is_same_as(look));
            state.changed = !same;
            if same {
                state.mark.safe_until = state.mark.safe_until.max(Some(look.began));
            }
            state.changed
        })
    }

    /// Saves the disk under the name `id`, whose view is kept up to its last stage but that. `cut` ends it, and says why. Where another snapshot was
    /// published since, perhaps because somebody released one, it is taken once more on top of that.
    pub(super) async fn save_disk(
        &self,
        id: &str,
        reason: SaveReason,
        deadline: Instant,
        cut: impl Future<Output = &'static str>,
    ) -> Result<Saved, SaveFailure> {
        let mut cut = std::pin::pin!(cut);
        match self.save_once(id, reason, deadline, &mut cut).await {
            Err(failure) if matches!(failure.answer, Some(PublishAnswer::HeadMoved { .. })) => {
                tracing::warn!(id, %failure, "it is saved again on top of the other snapshot");
                self.save_once(id, reason, deadline, &mut cut).await
            }
            saved => saved,
        }
    }

    async fn save_once(
        &self,
        id: &str,
        reason: SaveReason,
        deadline: Instant,
        mut cut: &mut (impl Future<Output = &'static str> + Unpin),
    ) -> Result<Saved, SaveFailure> {
        let stage = |stage: SaveStage| self.change(|state| state.update_save(id, |view| view.stage = stage));
        stage(SaveStage::Reading);
        let look = self.look().await.map_err(Failure::passing)?;
        if let (false, Some(saved)) = (self.note(&look), self.unchanged()) {
            return Ok(saved);
        }
        let (access, head, imported) = {
            let state = self.state.borrow();
            if let Some(generation) = state.over {
                return Err(Failure::lasting(state::over(generation)).into());
            }
            let no_access = || Failure::passing("there is no access to the repository");
            let imported = state.restore.import.clone().filter(|_| reason == SaveReason::Import);
            (state.access.clone().ok_or_else(no_access)?, state.mark.head, imported)
        };
        let tags = vec![
            format!("sandbox:{}", self.settings.sandbox_id),
            format!("generation:{}", self.settings.generation),
            format!("reason:{}", word(reason)),
        ];
        // What was imported is a snapshot of its own even when it is the same: it has to be noted as imported.
        let parent = head.filter(|_| imported.is_none());
        let order = self.order(access, Work::Save { parent, tags });
        let program = self.settings.layout.snapshot_program.as_deref();
        let outcome = child::carry_out(program, &order, deadline, &mut cut, |progress| {
            self.change(|state| {
                state.update_save(id, |view| {
                    view.stage = progress.stage.unwrap_or(view.stage);
                    view.files = progress.files;
                    view.bytes = progress.bytes;
                    view.steps = progress.steps;
                });
                if let Some(imported) = &imported {
                    state.restore.bytes = imported.laid_bytes + progress.bytes;
                }
            });
        })
        .await?;
        let manifest = match outcome {
            Outcome::Saved { manifest } => {
                let is_restored = self.change(|state| {
                    state.mark.written.add(manifest.snapshot);
                    state.is_restored()
                });
                // Before it can count, so that a later serve does not prune it on its way. While an import is under way a mark would say that the disk holds
                // what it should; nothing is pruned before that is published. Where it cannot be noted, that is no reason not to save.
                if is_restored {
                    self.write_mark();
                }
                manifest
            }
            Outcome::Unchanged { snapshot } if Some(snapshot) == head => {
                self.published(&look, snapshot, look.began, None);
                return self
                    .unchanged()
                    .ok_or_else(|| Failure::lasting("there is no snapshot").into());
            }
            _ => return Err(Failure::lasting("its process did something else").into()),
        };
        stage(SaveStage::Publishing);
        let request = PublishRequest {
            manifest,
            reason,
            head,
            import: imported.map(|imported| imported.report),
        };
        // A newer token may have come while it was read.
        let access = self.state.borrow().access.clone().unwrap_or(order.repository);
        let answer = tokio::select! {
            answer = self.publisher.publish(&access, &request, deadline) => answer?,
            why = &mut cut => return Err(Failure::passing(why).into()),
        };
        self.judge(answer, &look, request.manifest)
    }

    /// What the edge's answer means.
    fn judge(&self, answer: PublishAnswer, look: &Look, manifest: Manifest) -> Result<Saved, SaveFailure> {
        self.change(|state| state.mark.written.answered(manifest.snapshot, &answer));
        let (error, again) = match &answer {
            PublishAnswer::Published { sequence } => {
                let (snapshot, taken_at) = (manifest.snapshot, manifest.taken_at);
                if manifest.unreadable_count > 0 {
                    let first = manifest.unreadable.first().map_or("", String::as_str);
                    tracing::warn!(count = manifest.unreadable_count, first, "not everything could be read");
                }
                tracing::info!(
                    %snapshot,
                    sequence,
                    files = manifest.files,
                    bytes = manifest.bytes,
                    added_bytes = manifest.added_bytes,
                    "a snapshot is published"
                );
                let manifest = Box::new(manifest);
                self.published(look, snapshot, taken_at, Some(manifest.clone()));
                return Ok(Saved {
                    snapshot,
                    manifest: Some(manifest),
                    answer: Some(answer),
                });
            }
            PublishAnswer::Quarantined { why } => (format!("it is kept apart until somebody decides: {why}"), false),
            PublishAnswer::HeadMoved { head } => {
                // The next one is taken on top of that.
                self.change(|state| {
                    state.mark.head = *head;
                    state.baseline = None;
                });
                self.write_mark();
                let other = head.map_or_else(|| "none".to_owned(), |head| head.to_string());
                (format!("another snapshot was published since: {other}"), true)
            }
            PublishAnswer::GenerationOver { generation } => {
                self.change(|state| state.over = Some(*generation));
                (state::over(*generation), false)
            }
            PublishAnswer::Incomplete { why } => (format!("the repository does not hold all of it: {why}"), true),
        };
        let apart = matches!(answer, PublishAnswer::Quarantined { .. });
        Err(SaveFailure {
            error,
            answer: Some(answer),
            kept_apart: apart.then_some(manifest.snapshot),
            again,
        })
    }

    /// The snapshot counts, and holds what was there at `until`.
    fn published(&self, look: &Look, snapshot: SnapshotId, until: Millis, manifest: Option<Box<Manifest>>) {
        self.change(|state| {
            state.mark.head = Some(snapshot);
            state.mark.safe_until = state.mark.safe_until.max(Some(until));
            state.baseline = Some(*look);
            // Until the next look says so.
            state.changed = false;
            state.manifest = manifest.or_else(|| state.manifest.take());
        });
        self.write_mark();
    }

    /// The newest published snapshot, as the outcome of a save to which it added nothing.
    fn unchanged(&self) -> Option<Saved> {
        let state = self.state.borrow();
        let snapshot = state.mark.head?;
        let manifest = state.manifest.clone().filter(|manifest| manifest.snapshot == snapshot);
        Some(Saved {
            snapshot,
            manifest: manifest.map(|mut manifest| {
                manifest.added_bytes = 0;
                manifest
            }),
            answer: None,
        })
    }

    fn write_mark(&self) {
        let mark = self.state.borrow().mark.clone();
        if let Err(error) = self.marks.write(&mark) {
            // A later serve then takes its snapshot on top of an older one, and is told of the newer.
            tracing::warn!(%error, "what was saved cannot be noted");
        }
    }
}

/// As in the contract.
const fn word(reason: SaveReason) -> &'static str {
    match reason {
        SaveReason::Interval => "interval",
        SaveReason::Request => "request",
        SaveReason::BeforeStop => "before_stop",
        SaveReason::Stop => "stop",
        SaveReason::Import => "import",
    }
}
