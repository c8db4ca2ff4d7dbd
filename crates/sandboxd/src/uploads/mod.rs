//! Uploads that are longer than the platform takes at once: they come in parts (tus 1.0.0), lie on the disk, and are delivered to the agent as one
//! request when they are whole. Their answer is kept for whoever asks.

mod append;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod create_tests;
mod delivery;
pub mod kept_body;
mod record;
#[cfg(test)]
mod restore_tests;
mod routes;
mod spool;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molt_common::problem::Problem;
use molt_common::upload::{Target, UploadId};
use tokio::sync::watch;

pub use delivery::Agent;
use record::{Progress, Record};
use spool::Spool;

use crate::clock::now_ms;

/// Uploads that are known at once, those included whose answer is still kept.
const MOST: usize = 32;
/// Longest upload, bytes. What the disk has room for is asked besides.
pub const LONGEST: u64 = 16 << 30;
/// Bytes of the disk that uploads leave to everything else.
const SPARED: u64 = 256 << 20;
/// Pause between two looks for what has expired.
const SWEEP: Duration = Duration::from_secs(30);

/// One upload in memory.
pub struct Upload {
    record: watch::Sender<Record>,
    /// Held by the one request that adds to it.
    writing: Arc<tokio::sync::Mutex<()>>,
    /// Counted up by whoever wants [`Self::writing`]: a connection that broke may hold it for minutes.
    wanted: watch::Sender<u64>,
    /// True once it is removed.
    gone: watch::Sender<bool>,
}

impl Upload {
    fn new(record: Record) -> Arc<Self> {
        Arc::new(Self {
            record: watch::Sender::new(record),
            writing: Arc::default(),
            wanted: watch::Sender::new(0),
            gone: watch::Sender::new(false),
        })
    }

    fn record(&self) -> Record {
        self.record.borrow().clone()
    }
}

/// All uploads of a sandbox.
pub struct Uploads {
    spool: Spool,
    table: Mutex<BTreeMap<UploadId, Arc<Upload>>>,
    ttl_ms: u64,
    agent: Agent,
}

/// What a creation asks for.
struct Wish {
    length: u64,
    target: Target,
    metadata: String,
    key: Option<String>,
    edge: Vec<(String, String)>,
}

impl Uploads {
    /// Those that an earlier `serve` of this sandbox has left, and their further way. Call it in a runtime.
    ///
    /// # Errors
    /// When there can be no folder of uploads. Whatever lies in it keeps nothing else from starting.
    pub fn restore(state_dir: &Path, ttl_ms: u64, agent: Agent) -> io::Result<Arc<Self>> {
        let uploads = Arc::new(Self {
            spool: Spool::new(state_dir)?,
            table: Mutex::default(),
            ttl_ms,
            agent,
        });
        for mut record in uploads.spool.records() {
            if let Some(verified) = record.unverified_from {
                match uploads.spool.truncate(&record.id, verified) {
                    Ok(()) => record.unverified_from = None,
                    Err(error) => {
                        tracing::error!(%error, "bytes of an upload that were never verified are still there")
                    }
                }
            }
            let complete = record.unverified_from.is_none() && uploads.spool.offset(&record.id) == Some(record.length);
            // Not written: a further restart comes to the same, and the disk may be full.
            record.progress = record.progress.after_restart(record.target.method, complete);
            let upload = Upload::new(record.clone());
            uploads.table().insert(record.id, Arc::clone(&upload));
            if record.progress.is_under_way() {
                uploads.deliver(&upload);
            }
        }
        tokio::spawn(sweep(Arc::downgrade(&uploads)));
        Ok(uploads)
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<UploadId, Arc<Upload>>> {
        // Every change is one call on a collection: a panic in between leaves nothing half done.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &UploadId) -> Result<Arc<Upload>, Problem> {
        let found = self.table().get(id).cloned();
        found.ok_or_else(|| {
            Problem::new(
                404,
                "unknown_upload",
                "There is no such upload: it never was, has expired or was removed.",
            )
        })
    }

    /// A new upload, or the one that was created with the same key; whether it is new.
    fn create(&self, wish: Wish) -> Result<(Arc<Upload>, bool), Problem> {
        if wish.length > LONGEST {
            return Err(Problem::new(
                413,
                "upload_too_long",
                format!("An upload has at most {LONGEST} bytes."),
            ));
        }
        let mut table = self.table();
        let same_key = |upload: &&Arc<Upload>| wish.key.is_some() && upload.record.borrow().key == wish.key;
        if let Some(known) = table.values().find(same_key) {
            let record = known.record.borrow();
            return if record.length == wish.length && record.metadata == wish.metadata {
                drop(record);
                Ok((Arc::clone(known), false))
            } else {
                Err(Problem::new(
                    422,
                    "idempotency_key_reused",
                    "This Idempotency-Key was used for another upload.",
                ))
            };
        }
        let ended = (table.len() >= MOST).then(|| oldest_answered(&table)).flatten();
        if table.len() >= MOST && ended.is_none() {
            return Err(Problem::new(
                429,
                "too_many_uploads",
                format!("{MOST} uploads are known already. Remove some, or wait until they expire."),
            )
            .retry_after(60));
        }
        let promised: u64 = table
            .values()
            .map(|upload| {
                let record = upload.record.borrow();
                match record.progress {
                    Progress::Receiving => record.length.saturating_sub(self.spool.offset(&record.id).unwrap_or(0)),
                    _ => 0,
                }
            })
            .sum();
        let free = self.spool.free().map_err(|error| disk(&error))?;
        if promised.saturating_add(wish.length).saturating_add(SPARED) > free {
            return Err(no_room());
        }
        let now = now_ms();
        let record = Record {
            id: UploadId::from_random(uuid::Uuid::new_v4().into_bytes()),
            length: wish.length,
            target: wish.target,
            metadata: wish.metadata,
            key: wish.key,
            edge: wish.edge,
            created_at: now,
            expires_at: now.saturating_add(self.ttl_ms),
            unverified_from: None,
            progress: Progress::Receiving,
        };
        self.spool.create(&record).map_err(|error| disk(&error))?;
        let upload = Upload::new(record.clone());
        table.insert(record.id, Arc::clone(&upload));
        // Last: what is refused must cost nobody an answer.
        if let Some(ended) = ended {
            table.remove(&ended.record().id);
            drop(table);
            if self.remove(&ended).is_err() {
                tracing::warn!("an upload that made place for another stays on the disk");
            }
        }
        Ok((upload, true))
    }

    /// Changes the record of an upload, on disk first.
    fn change(&self, upload: &Upload, change: impl FnOnce(&mut Record)) -> io::Result<()> {
        let mut outcome = Ok(());
        upload.record.send_if_modified(|record| {
            // Removed meanwhile: nothing of it may come back.
            if *upload.gone.borrow() {
                return false;
            }
            let mut changed = record.clone();
            change(&mut changed);
            outcome = self.spool.write(&changed);
            if outcome.is_ok() {
                *record = changed;
            }
            outcome.is_ok()
        });
        outcome
    }

    /// Removes an upload and ends whatever goes on with it.
    fn remove(&self, upload: &Upload) -> Result<(), Problem> {
        let id = upload.record.borrow().id.clone();
        self.table().remove(&id);
        upload.gone.send_replace(true);
        // After a change that was under way: those look at `gone` first.
        let mut outcome = Ok(());
        upload.record.send_if_modified(|_| {
            outcome = self.spool.remove(&id);
            true
        });
        outcome.map_err(|error| disk(&error))
    }
}

/// The oldest upload that has its answer: what is over must not keep anybody from uploading for a day.
fn oldest_answered(table: &BTreeMap<UploadId, Arc<Upload>>) -> Option<Arc<Upload>> {
    let answered = |upload: &&Arc<Upload>| matches!(upload.record.borrow().progress, Progress::Answered { .. });
    let oldest = table
        .values()
        .filter(answered)
        .min_by_key(|upload| upload.record.borrow().created_at);
    oldest.cloned()
}

/// Removes what has expired, as long as there is anybody to ask for it.
async fn sweep(uploads: std::sync::Weak<Uploads>) {
    while let Some(uploads) = uploads.upgrade() {
        let pause = SWEEP.min(Duration::from_millis(uploads.ttl_ms / 2 + 1));
        let now = now_ms();
        let all: Vec<Arc<Upload>> = uploads.table().values().cloned().collect();
        for upload in all {
            let expired = upload.record.borrow().expires_at <= now;
            // What is being added to or delivered is in use.
            let in_use = upload.writing.try_lock().is_err() || upload.record.borrow().progress == Progress::Delivering;
            if expired && !in_use && uploads.remove(&upload).is_ok() {
                tracing::info!("an upload has expired");
            }
        }
        drop(uploads);
        tokio::time::sleep(pause).await;
    }
}

/// The disk refused.
fn disk(error: &io::Error) -> Problem {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return no_room();
    }
    tracing::error!(%error, "an upload could not be kept");
    Problem::internal()
}

fn no_room() -> Problem {
    Problem::new(
        507,
        "no_room_for_upload",
        "The disk of the sandbox has no room for this upload.",
    )
}
