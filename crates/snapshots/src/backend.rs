//! The repository as rustic_core sees it: restic's REST protocol, version 2.
//!
//! Our own and not `rustic_backend`'s: that one sends its bodies in chunks of no declared length, which object storage cannot take as a stream.
//! Blocking by way of `ureq`: rustic_core calls from threads of its own, so that an asynchronous client would bring a runtime for nothing.

use crate::http::{Client, Fault};
use crate::kept::Kept;
use bytes::Bytes;
use lru::LruCache;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Packs that are kept while their blobs are read one by one: each up to twice the pack size.
const PACKS_IN_MEMORY: NonZeroUsize = NonZeroUsize::new(6).expect("not zero");

/// A pack that is being fetched by whoever holds the lock, or was.
type PackSlot = Arc<Mutex<Option<Bytes>>>;

/// A repository behind restic's REST protocol.
pub struct RestBackend {
    client: Client,
    kept: Option<Arc<Kept>>,
    packs: Mutex<LruCache<Id, PackSlot>>,
    fault: Mutex<Option<Fault>>,
    hold_snapshots: AtomicBool,
    held: Mutex<Option<(Id, Bytes)>>,
    sizes: Mutex<std::collections::HashMap<Id, u64>>,
    /// Bytes of objects that were written.
    pub sent: AtomicU64,
    /// Bytes of objects that were removed.
    pub removed_bytes: AtomicU64,
    /// Objects that were removed.
    pub removed_objects: AtomicU64,
}

/// A lock of data that no panic leaves half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RestBackend {
    /// A repository behind `client`, with copies of its records, for those who need not see each time that the server still has them.
    pub fn new(client: Client, kept: Option<Arc<Kept>>) -> Self {
        Self {
            client,
            kept,
            packs: Mutex::new(LruCache::new(PACKS_IN_MEMORY)),
            fault: Mutex::new(None),
            hold_snapshots: AtomicBool::new(false),
            held: Mutex::new(None),
            sizes: Mutex::default(),
            sent: AtomicU64::new(0),
            removed_bytes: AtomicU64::new(0),
            removed_objects: AtomicU64::new(0),
        }
    }

    /// The first thing that went wrong with the repository: rustic_core goes on over some errors and words others without naming the object.
    pub fn fault(&self) -> Option<Fault> {
        lock(&self.fault).clone()
    }

    /// Forgets it, for those who go on after a fault.
    pub fn clear_fault(&self) -> Option<Fault> {
        lock(&self.fault).take()
    }

    /// From now on a snapshot's own record is kept back until [`Self::release`]: rustic_core writes it before anybody could say that the tree is not yet
    /// as it should be.
    pub fn hold_snapshots(&self) {
        self.hold_snapshots.store(true, Ordering::SeqCst);
        lock(&self.held).take();
    }

    /// Writes the record that was kept back.
    pub fn release(&self) -> RusticResult<()> {
        let Some((id, bytes)) = lock(&self.held).take() else {
            return Ok(());
        };
        self.put(FileType::Snapshot, &id, bytes)
    }

    fn note(&self, fault: Fault) -> Box<RusticError> {
        let error = RusticError::new(ErrorKind::Backend, fault.message.clone());
        lock(&self.fault).get_or_insert(fault);
        error
    }

    fn put(&self, tpe: FileType, id: &Id, bytes: Bytes) -> RusticResult<()> {
        // Once something was not written, nothing that may lean on it is.
        if let Some(fault) = self.fault() {
            return Err(RusticError::new(ErrorKind::Backend, fault.message));
        }
        let size = bytes.len() as u64;
        self.client.put(tpe, id, &bytes).map_err(|fault| self.note(fault))?;
        self.sent.fetch_add(size, Ordering::Relaxed);
        Ok(())
    }

    /// The bytes of a pack, from memory where it was read just now. Whole, because only a whole object can be compared with its name.
    ///
    /// # Errors
    /// What is wrong with it, which is not kept as [`Self::fault`].
    pub fn try_pack(&self, id: &Id) -> Result<Bytes, Fault> {
        self.try_pack_from(id, || self.client.get(FileType::Pack, id))
    }

    fn try_pack_from(&self, id: &Id, fetch: impl FnOnce() -> Result<Bytes, Fault>) -> Result<Bytes, Fault> {
        let slot = lock(&self.packs).get_or_insert(*id, PackSlot::default).clone();
        let mut slot = lock(&slot);
        if let Some(bytes) = slot.as_ref() {
            return Ok(bytes.clone());
        }
        let bytes = fetch()?;
        *slot = Some(bytes.clone());
        Ok(bytes)
    }

    /// An object from among the copies, unless the server has one of another length; else from the server, and then it is kept.
    fn record(&self, tpe: FileType, id: &Id) -> Result<Bytes, Fault> {
        let Some(kept) = &self.kept else {
            return self.client.get(tpe, id);
        };
        let listed = lock(&self.sizes).get(id).copied();
        let copy = kept.get(tpe, id);
        if let Some(bytes) = copy.filter(|bytes| listed.is_none_or(|size| size == bytes.len() as u64)) {
            return Ok(bytes);
        }
        let bytes = self.client.get(tpe, id)?;
        kept.put(tpe, id, &bytes);
        Ok(bytes)
    }
}

impl ReadBackend for RestBackend {
    fn location(&self) -> String {
        self.client.location()
    }

    fn list_with_size(&self, tpe: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if tpe == FileType::Config {
            let size = self.client.config_size().map_err(|fault| self.note(fault))?;
            return Ok(size.map(|size| (Id::default(), size)).into_iter().collect());
        }
        let listed = self.client.list(tpe).map_err(|fault| self.note(fault))?;
        if let Some(kept) = self
            .kept
            .as_ref()
            .filter(|_| matches!(tpe, FileType::Pack | FileType::Index))
        {
            kept.only(tpe, &listed.iter().map(|(id, _)| *id).collect());
        }
        if tpe == FileType::Pack || tpe == FileType::Index || tpe == FileType::Snapshot {
            lock(&self.sizes).extend(listed.iter().map(|(id, size)| (*id, u64::from(*size))));
        }
        Ok(listed)
    }

    fn read_full(&self, tpe: FileType, id: &Id) -> RusticResult<Bytes> {
        let read = if tpe == FileType::Index {
            self.record(tpe, id)
        } else {
            self.client.get(tpe, id)
        };
        read.map_err(|fault| self.note(fault))
    }

    fn read_partial(&self, tpe: FileType, id: &Id, cacheable: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        let bytes = if tpe == FileType::Pack {
            // What may be kept are packs of folders.
            let pack = if cacheable {
                self.try_pack_from(id, || self.record(tpe, id))
            } else {
                self.try_pack(id)
            };
            pack.map_err(|fault| self.note(fault))?
        } else {
            self.read_full(tpe, id)?
        };
        let (from, to) = (offset as usize, offset as usize + length as usize);
        if to > bytes.len() {
            return Err(self.note(Fault::lasting(format!(
                "{} ends at byte {}, but bytes {from} to {to} of it are needed",
                crate::http::object_name(tpe, id),
                bytes.len()
            ))));
        }
        Ok(bytes.slice(from..to))
    }

    fn warmup_path(&self, tpe: FileType, id: &Id) -> String {
        crate::http::object_name(tpe, id)
    }
}

impl WriteBackend for RestBackend {
    fn write_bytes(&self, tpe: FileType, id: &Id, _cacheable: bool, content: BytesList) -> RusticResult<()> {
        let bytes = match content.slice() {
            [only] => only.clone(),
            parts => Bytes::from(parts.concat()),
        };
        if tpe == FileType::Snapshot && self.hold_snapshots.load(Ordering::SeqCst) {
            *lock(&self.held) = Some((*id, bytes));
            return Ok(());
        }
        self.put(tpe, id, bytes)
    }

    fn remove(&self, tpe: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        self.client.delete(tpe, id).map_err(|fault| self.note(fault))?;
        let size = lock(&self.sizes).remove(id).unwrap_or(0);
        self.removed_bytes.fetch_add(size, Ordering::Relaxed);
        self.removed_objects.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
