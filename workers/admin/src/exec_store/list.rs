//! A page of what a sandbox's store holds, newest first.

use super::store::jobs::Listing;
use crate::exec_result_store_do::ExecResultStore;
use molt_common::api::exec::{ExecList, ExecSummary};
use molt_common::exec_filter::{Before, ExecFilter};
use molt_common::time::Millis;
use worker::{Error, Result};

impl ExecResultStore {
    /// One page, and statistics about everything.
    pub(crate) fn list(&self, filter: &ExecFilter) -> Result<ExecList> {
        let store = self.store()?;
        let mut execs = store.list(&Listing {
            states: filter.states.as_deref(),
            since: filter.since,
            until: filter.until,
            before: filter
                .before
                .as_ref()
                .map(|before| (before.created_at, &before.exec_id)),
            // One more than asked for says whether there is another page.
            limit: filter.limit.saturating_add(1),
        })?;
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let more = execs.len() > limit;
        execs.truncate(limit);
        Ok(ExecList {
            next_cursor: execs.last().filter(|_| more).map(cursor).transpose()?,
            execs,
            stats: store.stats()?,
        })
    }
}

fn cursor(last: &ExecSummary) -> Result<String> {
    let created_at = Millis::parse_iso(&last.created_at);
    let before = Before {
        created_at: created_at.ok_or_else(|| Error::RustError("stored exec: created_at".into()))?,
        exec_id: last.exec_id.clone(),
    };
    Ok(before.to_string())
}
