//! Where people are, by the platform's books (`GET /api/super/migration`).

use super::run::Run;
use serde::{Deserialize, Serialize};

const MIGRATION: &str = "/api/super/migration";

/// How many users are where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// With what ran before; those whom the platform has never met are not among them.
    pub legacy: u64,
    /// With the new workers.
    pub new: u64,
    /// On their way.
    pub moving: u64,
    /// Of all these, those who were to be moved and were not, or not yet.
    pub refused: u64,
}

#[derive(Deserialize)]
struct Migration {
    counts: Counts,
}

/// How many users are where.
///
/// # Errors
/// When the platform does not say.
pub fn counts(run: &Run<'_>) -> Result<Counts, String> {
    let url = format!("{}{MIGRATION}", run.deployment.url);
    let answer = run.calling.get(&url, &run.deployment.admin)?;
    match serde_json::from_str::<Migration>(&answer.body) {
        Ok(migration) if answer.status == 200 => Ok(migration.counts),
        _ => Err(format!("{MIGRATION} does not say where users are: {}", answer.brief())),
    }
}
