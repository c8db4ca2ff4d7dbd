//! For how long containers ran, per day and tier, as it is seen.
//!
//! A run begins when its container is asked for, once it has been seen to run, and ends when it is seen to be gone. One that ends by itself is counted to
//! the last look at which it ran: what it did between two looks nobody knows. No moment is counted twice: there is one mark, up to which all is
//! counted, and it only moves on.

use molt_common::time::Millis;
use molt_common::usage::day::Day;
use serde::{Deserialize, Serialize};

/// A run is counted up to now at least this often, so that what is told of it is never much older.
pub const COUNT_EVERY_MS: u64 = 60_000;

/// The run that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Which start.
    pub generation: u64,
    /// Its size.
    pub tier: u8,
    /// Everything before this is counted.
    pub counted_to: Millis,
}

/// A look at the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The newest start.
    pub generation: u64,
    /// Its size.
    pub tier: u8,
    /// When it was asked for; `None` while it was not, or when it has ended.
    pub launched_at: Option<Millis>,
    /// Whether there is a container.
    pub running: bool,
    /// When it was last looked at before this, whatever was seen.
    pub seen_at: Option<Millis>,
    /// Somebody was having it stopped: it was looked at all the time, so that it ended just now.
    pub watched: bool,
}

/// A part of a run, within one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which day.
    pub day: Day,
    /// Of what size.
    pub tier: u8,
    /// How long.
    pub ms: u64,
}

/// What a look makes of the run that is on: how it stands now, and what is to be counted.
#[must_use]
pub fn note(run: Option<&Run>, look: &Look, now: Millis) -> (Option<Run>, Vec<Part>) {
    let mut parts = Vec::new();
    let mut on = run.cloned();
    if let Some(ended) = on.take_if(|on| !look.running || on.generation != look.generation) {
        // Where another start has taken its place already, it ended before that was asked for.
        let replaced = (ended.generation != look.generation).then_some(look.launched_at.unwrap_or(now));
        let seen = if look.watched && replaced.is_none() {
            now
        } else {
            look.seen_at.unwrap_or(now)
        };
        let end = seen.min(replaced.unwrap_or(now)).min(now);
        parts.extend(split(ended.tier, ended.counted_to, end));
    }
    if !look.running {
        return (None, parts);
    }
    if on.is_none() {
        let counted_to = run.map_or(Millis(0), |before| before.counted_to);
        // One that nobody asked for is removed at once, and is nobody's.
        on = look.launched_at.map(|launched| Run {
            generation: look.generation,
            tier: look.tier,
            counted_to: launched.max(counted_to),
        });
    }
    if let Some(on) = &mut on
        && (now.since(on.counted_to) >= COUNT_EVERY_MS || Day::of(now) != Day::of(on.counted_to))
    {
        parts.extend(split(on.tier, on.counted_to, now));
        on.counted_to = on.counted_to.max(now);
    }
    (on, parts)
}

/// From here to there, day by day.
fn split(tier: u8, from: Millis, to: Millis) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = from;
    while at < to {
        let day = Day::of(at);
        let end = to.min(day.next().start());
        if end <= at {
            // Beyond the last day that is told apart.
            break;
        }
        parts.push(Part {
            day,
            tier,
            ms: end.since(at),
        });
        at = end;
    }
    parts
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
