//! The object in an export of the control plane, and in its restore: its chain of audit entries. Results of commands are in neither.

use crate::exec_result_store_do::ExecResultStore;
use molt_common::audit::Chain;
use molt_common::recovery::call::{ExportState, ExportedPage, RestoreState, Restored};
use molt_common::recovery::tables::Place;
use molt_platform::audit_log::AuditLog;
use molt_platform::recovery;
use molt_platform::recovery::restore::{Not, Target, restore as keep};
use worker::{Result, State};

/// The object, and the chain that it must hold in the end.
struct Restoring<'a>(&'a ExecResultStore, Chain);

impl Target for Restoring<'_> {
    const PLACE: Place = Place::Exec;

    fn state(&self) -> &State {
        &self.0.state
    }

    fn settle(&self, _asked: &RestoreState) -> std::result::Result<(), Not> {
        recovery::broken_chain(self.state(), self.1)?.map_or(Ok(()), |broken| Err(Not::Refused(broken)))
    }
}

/// A page of the chain.
pub fn export(object: &ExecResultStore, asked: ExportState) -> Result<Option<ExportedPage>> {
    // The tables exist then.
    object.store()?;
    recovery::page(&object.state.storage().sql(), Place::Exec, asked.rest)
}

/// Keeps entries of an archive; with the last of them the chain goes on from there, and D1 has its copy.
pub async fn restore(object: &ExecResultStore, asked: &RestoreState) -> Result<Restored> {
    let Some(owner) = asked.owner else {
        return Ok(Restored::Refused {
            why: "commands belong to somebody".into(),
        });
    };
    object.store()?;
    let chain = Chain::Exec(owner);
    let restored = keep(&Restoring(object, chain), asked)?;
    if restored == Restored::Kept && asked.end.is_some() {
        // The object copies only beside commands, and has none.
        AuditLog::of(&object.state, chain)
            .copy(&object.env.d1("PLATFORM_DB")?)
            .await?;
    }
    Ok(restored)
}
