//! How far an order is, told by the threads that do the work and read by the one that reports.

use crate::findings::Findings;
use crate::order::Report;
use molt_common::control::snapshot::SaveStage;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far an order is.
#[derive(Debug, Default)]
pub struct Progress {
    saving: AtomicBool,
    checking: AtomicBool,
    files: AtomicU64,
    bytes: AtomicU64,
    steps: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// It is a save that reads.
    pub fn reading(&self) {
        self.saving.store(true, Ordering::Relaxed);
    }

    /// It is a save that reads back.
    pub fn checking(&self) {
        self.checking.store(true, Ordering::Relaxed);
    }

    /// So far, of a reading of the home.
    pub fn set(&self, findings: &Findings) {
        let copy = |from: &AtomicU64, to: &AtomicU64| to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        copy(&findings.files, &self.files);
        copy(&findings.bytes, &self.bytes);
        copy(&findings.steps, &self.steps);
    }

    /// More bytes.
    pub fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All that there are.
    pub fn set_total(&self, files: u64, bytes: u64) {
        self.files.store(files, Ordering::Relaxed);
        self.total.store(bytes.max(1), Ordering::Relaxed);
    }

    /// As it is reported.
    pub fn report(&self) -> Report {
        let total = self.total.load(Ordering::Relaxed);
        let stage = if self.checking.load(Ordering::Relaxed) {
            SaveStage::Checking
        } else {
            SaveStage::Reading
        };
        Report::Progress {
            stage: self.saving.load(Ordering::Relaxed).then_some(stage),
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            steps: self.steps.load(Ordering::Relaxed),
            total_bytes: (total > 0).then_some(total),
        }
    }
}
