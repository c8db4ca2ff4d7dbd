//! Figures about the store itself.

use super::Store;
use molt_common::api::exec::{ExecStats, JobState};
use molt_platform::sql::integer;
use worker::Result;

impl Store {
    /// An alarm step took so many milliseconds.
    pub fn stepped(&self, took_ms: u64) -> Result<()> {
        self.sql.exec(
            "UPDATE steps SET taken = taken + 1, longest_ms = max(longest_ms, ?) WHERE id = 1",
            vec![integer(took_ms)],
        )?;
        Ok(())
    }

    /// What the store holds and does.
    pub fn stats(&self) -> Result<ExecStats> {
        let mut stats = ExecStats::default();
        for (state, count) in self.counts()? {
            stats.total = stats.total.saturating_add(count);
            let counter = match state {
                JobState::Queued => &mut stats.queued,
                JobState::Waking | JobState::Starting | JobState::Running => &mut stats.under_way,
                JobState::Succeeded | JobState::Failed => &mut stats.completed,
                JobState::TimedOut | JobState::Cancelled | JobState::Lost | JobState::Rejected => &mut stats.errors,
            };
            *counter = counter.saturating_add(count);
        }
        if let Some(mut row) = self.row("SELECT coalesce(SUM(length(bytes)), 0) FROM output", vec![])? {
            stats.output_bytes = row.number()?;
        }
        if let Some(mut row) = self.row("SELECT taken, longest_ms FROM steps WHERE id = 1", vec![])? {
            stats.steps = row.number()?;
            stats.longest_step_ms = row.number()?;
        }
        Ok(stats)
    }
}
