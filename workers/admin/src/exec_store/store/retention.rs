//! What is forgotten: what ended long ago, and all but the newest results. What has not ended stays.

use super::Store;
use molt_common::time::Millis;
use molt_lifecycle::job::Retention;
use molt_platform::sql::integer;
use worker::Result;

/// Results that are forgotten at once, so that no step is long.
const BATCH: u64 = 8;

impl Store {
    /// Forgets some of what is too old or too much, and its idempotency keys with it. Answers whether more is.
    pub fn purge(&self, now: Millis) -> Result<bool> {
        let kept = Retention::EXEC;
        let query = "SELECT exec_id FROM execs WHERE ended_at IS NOT NULL AND (ended_at <= ? OR exec_id NOT IN \
                     (SELECT exec_id FROM execs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, rowid DESC LIMIT ?)) LIMIT ?";
        // Before the first day of time nothing is old.
        let old = kept.ended_by(now).unwrap_or(Millis(0));
        let values = vec![integer(old.0), integer(u64::from(kept.newest)), integer(BATCH)];
        let doomed = self
            .rows(query, values)?
            .map(|row| row?.text())
            .collect::<Result<Vec<_>>>()?;
        for id in &doomed {
            for table in ["output", "outputs", "exec_jobs", "execs"] {
                self.sql.exec(
                    &format!("DELETE FROM {table} WHERE exec_id = ?"),
                    vec![id.as_str().into()],
                )?;
            }
        }
        Ok(doomed.len() as u64 == BATCH)
    }

    /// When the oldest result is to be forgotten.
    pub fn next_expiry(&self) -> Result<Option<Millis>> {
        let row = self.row("SELECT MIN(ended_at) FROM execs", vec![])?;
        let oldest = row.map(|mut row| row.time()).transpose()?.flatten();
        Ok(oldest.map(|at| Retention::EXEC.expiry(at)))
    }
}
