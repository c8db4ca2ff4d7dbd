//! Where people are, by the platform's books (`GET /api/super/migration`).

use super::run::Run;
use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// Of those refused, those who were to go back and stay with the new workers, where their data is. An older admin worker does not say.
    #[serde(default)]
    pub staying: u64,
}

impl Counts {
    /// Those who could not be moved to the new workers. Who could not go back is with them already, and no reason to stop.
    const fn stuck(self) -> u64 {
        self.refused.saturating_sub(self.staying)
    }

    /// Share of those with the new workers, or to be moved there, who came to be stuck since then; 0 to 1.
    #[must_use]
    pub fn stuck_since(self, before: Self) -> f64 {
        let stuck = self.stuck().saturating_sub(before.stuck());
        if stuck == 0 {
            return 0.0;
        }
        // Who is stuck on the way there is with what ran before.
        let all = (self.new + self.moving).max(stuck);
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 users")]
        let share = stuck as f64 / all as f64;
        share
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} users are with what ran before, {} with the new workers, {} on their way; {} could not be moved",
            self.legacy,
            self.new,
            self.moving,
            self.stuck()
        )?;
        match self.staying {
            0 => Ok(()),
            staying => write!(f, ", {staying} could not go back and stay where their data is"),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn only_those_who_came_to_be_stuck_count() {
        let counts = |new, refused| Counts {
            legacy: 10,
            new,
            moving: 0,
            refused,
            staying: 0,
        };
        assert_eq!(counts(20, 3).stuck_since(counts(0, 3)), 0.0);
        assert_eq!(counts(20, 4).stuck_since(counts(0, 3)), 0.05);
        assert_eq!(counts(0, 2).stuck_since(counts(0, 0)), 1.0, "nobody arrived");
        assert_eq!(counts(20, 1).stuck_since(counts(20, 3)), 0.0);
        let stays = Counts {
            staying: 1,
            ..counts(20, 4)
        };
        assert_eq!(stays.stuck_since(counts(20, 3)), 0.0, "he is where he was to be");
        assert!(
            stays
                .to_string()
                .ends_with("3 could not be moved, 1 could not go back and stay where their data is")
        );
    }
}
