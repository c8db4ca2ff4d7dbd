//! A move that does not get on: what is said, and when it is tried again.

use super::{
    BACKOFF_FIRST_MS, BACKOFF_LONGEST_MS, EXPORT_ATTEMPTS, EXPORT_PAUSE_MS, NO_FENCE_PAUSE_MS, Ownership, Refused,
    Stage,
};
use molt_common::ownership::Owner;
use molt_common::time::Millis;

impl Ownership {
    pub(super) fn no_fence(&mut self, owner: Owner, now: Millis) {
        let why = "What ran before has no fence (docs/legacy-contract.md), so that he might have two agents.";
        match (self.stage, owner) {
            // It serves whoever comes, and knows of no owners.
            (_, Owner::Legacy) => self.enter(Stage::Legacy, now),
            // He was here before there was anything else.
            (Stage::New, Owner::New) => self.failed(why.into(), now),
            // By way of a stop: flags may have turned him round while he was leaving, and then his sandbox still runs.
            (_, Owner::New) => {
                let rank = self.decided;
                self.enter(Stage::Stopping, now);
                self.refused = Some(Refused { why: why.into(), rank });
                return;
            }
        }
        self.retry_at = now.plus(NO_FENCE_PAUSE_MS);
    }

    /// An attempt counts from here, whatever becomes of it.
    pub(super) fn export_begun(&mut self, epoch: u64, now: Millis) {
        if self.stage != Stage::Exporting || !self.exports || epoch != self.epoch {
            return;
        }
        if self.attempts > EXPORT_ATTEMPTS {
            let why = self.trouble.take();
            self.stays(why.as_deref().unwrap_or("It broke off every time."), now);
        } else {
            self.attempts = self.attempts.saturating_add(1);
        }
    }

    /// What he made cannot be written: he stays, and `LEGACY` is told so once more, because this move had an epoch of its own.
    pub(super) fn stays(&mut self, why: &str, now: Millis) {
        let rank = self.decided;
        self.exports = false;
        self.enter(Stage::New, now);
        self.export_again_at = now.plus(EXPORT_PAUSE_MS);
        self.refused = Some(Refused {
            why: format!(
                "What he made here could not be written for what ran before: {why} Set discardDisk to have him go back without it."
            ),
            rank,
        });
    }

    pub(super) fn failed(&mut self, why: String, now: Millis) {
        self.pause(why, self.attempts, now);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// The next attempt waits, the longer the more were made before this one.
    pub(super) fn pause(&mut self, why: String, before: u32, now: Millis) {
        let pause = BACKOFF_FIRST_MS
            .saturating_mul(1 << before.min(10))
            .min(BACKOFF_LONGEST_MS);
        self.retry_at = now.plus(pause);
        self.trouble = Some(why);
    }
}
