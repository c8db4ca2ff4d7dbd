//! What the system before this one kept of the object's user: looked at before his first start, imported once, and written back when he returns to that system.

pub mod calls;
pub mod export;
pub mod start;

mod look;
mod notes;
mod pack;
mod store;

pub use store::{Kept, SCHEMA};

use crate::sandbox_do::Sandbox;
use molt_common::id::UserId;
use molt_common::legacy_data::{ImportRecord, Imported};
use molt_common::snapshot::PublishRequest;
use molt_platform::entropy;
use worker::Result;

/// A snapshot of what was imported counts now. Call it in the transaction of its publication.
pub fn published(object: &Sandbox, owner: UserId, generation: u64, request: &PublishRequest) -> Result<()> {
    let Some(report) = &request.import else { return Ok(()) };
    let kept = Kept::of(object)?;
    let mut record = kept.record()?;
    let imported = Imported {
        at: entropy::now(),
        generation,
        snapshot: request.manifest.snapshot,
        report: report.clone(),
    };
    notes::imported(object, owner, &imported)?;
    record.import(imported);
    kept.save(&record)
}

/// The user is with the old system again, and may work there. Call it in the transaction of that.
pub fn left(object: &Sandbox) -> Result<()> {
    let kept = Kept::of(object)?;
    let record = kept.record()?;
    if record.left {
        return Ok(());
    }
    kept.save(&ImportRecord { left: true, ..record })
}
