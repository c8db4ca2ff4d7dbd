//! What a router knows about flags: those of the snapshot, and an operator's override in KV for when the admin worker is down.
//!
//! The override is read when the admin worker gives no answer, for two minutes after that (it may be back and not have adopted it yet), and by an
//! isolate that is new or was idle, because it may have slept through all of that.

use super::TrustMemory;
use crate::flag::{Flag, FlagOverride, FlagSet, Rank, Source, Standing, Subject, rank, standing};
use crate::refresh::{Age, BEHIND_LIMIT_MS, Refresh};
use crate::time::Millis;
use crate::trust::{AGEING_MS, REFRESH_LIMIT_MS};

/// The override is looked for this long after the admin worker gave no answer.
pub const WATCH_MS: u64 = 120_000;
/// Flags are called confirmed for as long as nothing but this is used: until a refresh must come first, and that refresh.
const CONFIRMED_MS: u64 = AGEING_MS + REFRESH_LIMIT_MS;
/// The copy in KV is read once in each round of asking an admin worker that is silent.
const COPIED_MS: u64 = AGEING_MS + BEHIND_LIMIT_MS;

impl TrustMemory {
    /// Somebody finds the snapshot too old to decide by.
    pub fn wake(&mut self, now: Millis) {
        self.woke_at = self.woke_at.max(Some(now));
    }

    /// What to do about the override before a decision at `now`.
    #[must_use]
    pub fn refresh_override(&self, now: Millis) -> Refresh {
        let unconfirmed = self.age.at(now) >= AGEING_MS;
        let silent = self.silent_at.is_some_and(|at| now.since(at) < WATCH_MS);
        let slept = self.woke_at > self.over_age.answered_at();
        if unconfirmed || silent || slept {
            self.over_age.refresh(now)
        } else {
            Refresh::Nothing
        }
    }

    /// How old what KV said about the override is.
    pub const fn override_age(&mut self) -> &mut Age {
        &mut self.over_age
    }

    /// KV was asked for the override at `asked_at` and answered. One that was seen holds until one with a higher epoch is: KV may go back to
    /// an older one, or to none, and no router may.
    pub fn learn_override(&mut self, found: Option<FlagOverride>, asked_at: Millis) {
        self.over_age.answer(asked_at);
        let held = self.over.as_ref().map(|held| held.epoch);
        if let Some(found) = found.filter(|found| held.is_none_or(|held| found.epoch > held)) {
            self.over = Some(found);
        }
    }

    /// The flags that are known, and from where.
    #[must_use]
    pub fn flags(&self, now: Millis) -> Option<(&FlagSet, Source)> {
        let flags = &self.snapshot.as_ref()?.flags;
        let source = if self.age.at(now) < CONFIRMED_MS {
            Source::ControlPlane
        } else if self.copied_at.is_some_and(|at| now.since(at) < COPIED_MS) {
            Source::Kv
        } else {
            Source::LastKnown
        };
        Some((flags, source))
    }

    /// How a flag stands for somebody. `variable` is that of deployment.
    #[must_use]
    pub fn standing(&self, flag: Flag, variable: Option<&str>, subject: Option<&Subject>, now: Millis) -> Standing {
        standing(flag, self.flags(now), self.over.as_ref(), variable, subject)
    }

    /// Rank of what is obeyed.
    #[must_use]
    pub fn rank(&self) -> Rank {
        rank(self.snapshot.as_ref().map(|held| &held.flags), self.over.as_ref())
    }

    /// Whether users whom this flag no longer covers lose their disk rather than stay.
    #[must_use]
    pub fn discards_disk(&self, flag: Flag) -> bool {
        let held = self.snapshot.as_ref().map(|held| &held.flags);
        let known = held.and_then(|held| held.flags.get(&flag));
        let newer = self
            .over
            .as_ref()
            .filter(|over| over.epoch > held.map_or(0, |held| held.epoch));
        let forced = newer.and_then(|over| over.applied(flag, known));
        forced.as_ref().or(known).is_some_and(|setting| setting.discard_disk)
    }
}

#[cfg(test)]
mod tests {
    use super::{CONFIRMED_MS, COPIED_MS, WATCH_MS};
    use crate::flag::{Flag, FlagOverride, FlagSet, FlagSetting, Rank, Source};
    use crate::refresh::{RETRY_MS, Refresh};
    use crate::time::Millis;
    use crate::trust::{AGEING_MS, TrustSnapshot};
    use crate::trust_memory::{Answer, TrustMemory};
    use proptest::prelude::*;

    const T: Millis = Millis(1_800_000_000_000);
    const FLAG: Flag = Flag::NewAdminApi;

    fn snapshot(version: u64, epoch: u64, on: bool) -> TrustSnapshot {
        TrustSnapshot {
            version,
            flags: FlagSet {
                version,
                epoch,
                flags: [(FLAG, FlagSetting::all_or_nobody(on))].into(),
            },
            ..TrustSnapshot::default()
        }
    }

    fn over(epoch: u64, on: bool) -> FlagOverride {
        FlagOverride {
            epoch,
            values: [(FLAG, on)].into(),
            discard_disk: true,
            at: T,
            author: "op".into(),
            reason: "drill".into(),
        }
    }

    fn confirmed(snapshot: TrustSnapshot) -> TrustMemory {
        let mut memory = TrustMemory::default();
        memory.confirm(Answer::Snapshot(snapshot), T);
        memory
    }

    fn obeys(memory: &TrustMemory, now: Millis) -> (bool, Source) {
        let standing = memory.standing(FLAG, Some("false"), None, now);
        (standing.on, standing.source)
    }

    #[test]
    fn the_source_is_who_said_so_lately() {
        let mut memory = TrustMemory::default();
        assert_eq!(obeys(&memory, T), (false, Source::Var));
        memory.fall_back(snapshot(1, 0, true), T);
        assert_eq!(obeys(&memory, T), (true, Source::Kv));
        assert_eq!(obeys(&memory, T.plus(COPIED_MS)), (true, Source::LastKnown));
        memory.confirm(Answer::Unchanged(1), T);
        assert_eq!(obeys(&memory, T.plus(CONFIRMED_MS - 1)), (true, Source::ControlPlane));
        memory.fall_back(snapshot(1, 0, true), T.plus(CONFIRMED_MS));
        assert_eq!(obeys(&memory, T.plus(CONFIRMED_MS)).1, Source::Kv, "it agrees");
        let mut memory = confirmed(snapshot(2, 0, true));
        memory.fall_back(snapshot(1, 0, false), T.plus(CONFIRMED_MS));
        let older = obeys(&memory, T.plus(CONFIRMED_MS));
        assert_eq!(older, (true, Source::LastKnown), "an older copy says nothing");
    }

    #[test]
    fn an_override_that_was_obeyed_stays_until_it_is_adopted() {
        let mut memory = confirmed(snapshot(1, 0, true));
        memory.learn_override(Some(over(7, false)), T);
        assert_eq!(obeys(&memory, T), (false, Source::Override));
        assert!(memory.discards_disk(FLAG));
        memory.learn_override(None, T);
        memory.learn_override(Some(over(6, true)), T);
        memory.confirm(Answer::Snapshot(snapshot(2, 6, true)), T.plus(1));
        assert_eq!(
            obeys(&memory, T),
            (false, Source::Override),
            "KV and the object may both be behind"
        );
        assert_eq!(memory.rank(), Rank { epoch: 7, version: 2 });
        memory.confirm(Answer::Snapshot(snapshot(3, 7, false)), T.plus(2));
        assert_eq!(obeys(&memory, T), (false, Source::ControlPlane));
        assert!(!memory.discards_disk(FLAG));
        memory.confirm(Answer::Snapshot(snapshot(4, 7, true)), T.plus(3));
        assert_eq!(obeys(&memory, T), (true, Source::ControlPlane), "decided after it");
        memory.learn_override(Some(over(8, false)), T);
        assert_eq!(obeys(&memory, T), (false, Source::Override));
    }

    #[test]
    fn the_override_is_looked_for_while_the_admin_worker_is_silent_and_for_a_while_after() {
        let mut memory = confirmed(snapshot(1, 0, true));
        assert_eq!(memory.refresh_override(T.plus(1)), Refresh::Nothing);
        let failed = T.plus(3_000);
        memory.fail(failed);
        assert_eq!(memory.refresh_override(failed), Refresh::Before);
        memory.learn_override(None, failed);
        assert_eq!(memory.refresh_override(failed.plus(1)), Refresh::Nothing);
        assert_eq!(memory.refresh_override(failed.plus(2_000)), Refresh::Behind);
        // It is back, and may not have adopted it yet.
        let back = failed.plus(WATCH_MS - 1);
        memory.confirm(Answer::Unchanged(1), back);
        assert_eq!(memory.refresh_override(back), Refresh::Before);
        assert_eq!(memory.refresh_override(back.plus(1)), Refresh::Nothing);
    }

    #[test]
    fn who_was_asleep_looks_for_it_and_a_busy_one_does_not() {
        let mut memory = TrustMemory::default();
        assert_eq!(memory.refresh_override(T), Refresh::Before);
        memory.wake(T);
        memory.confirm(Answer::Snapshot(snapshot(1, 0, true)), T);
        assert_eq!(
            memory.refresh_override(T.plus(1)),
            Refresh::Before,
            "it has not been read"
        );
        memory.override_age().fail(T.plus(1));
        assert_eq!(memory.refresh_override(T.plus(2)), Refresh::Nothing, "nor can it be");
        assert_eq!(memory.refresh_override(T.plus(1 + RETRY_MS)), Refresh::Behind);
        memory.learn_override(None, T.plus(1 + RETRY_MS));
        memory.confirm(Answer::Unchanged(1), T.plus(4_000));
        assert_eq!(memory.refresh_override(T.plus(8_000)), Refresh::Nothing);
        let slept = T.plus(4_000 + AGEING_MS);
        assert_eq!(memory.refresh_override(slept), Refresh::Before);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Change,
        Ask,
        Answer(usize),
        Kv(u64),
        Override(u64, bool),
        Fail,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Change),
            Just(Step::Ask),
            (0..9_usize).prop_map(Step::Answer),
            (0..4_u64).prop_map(Step::Kv),
            (0..9_u64, any::<bool>()).prop_map(|(epoch, on)| Step::Override(epoch, on)),
            Just(Step::Fail),
        ]
    }

    proptest! {
        /// Whatever arrives in which order, a router goes by no older epoch than it has gone by.
        #[test]
        fn the_epoch_of_what_is_obeyed_never_falls(steps in proptest::collection::vec(step(), 1..60)) {
            let mut memory = TrustMemory::default();
            let mut highest = 0;
            let (mut truth, mut on_its_way) = (1, Vec::new());
            for (number, step) in steps.into_iter().enumerate() {
                let now = T.plus(number as u64);
                // Every second change adopts an override.
                let at = |version: u64| snapshot(version, version / 2, version.is_multiple_of(3));
                match step {
                    Step::Change => truth += 1,
                    Step::Ask => on_its_way.push((at(truth), now)),
                    Step::Answer(which) => if !on_its_way.is_empty() {
                        let (answer, asked_at) = on_its_way.remove(which % on_its_way.len());
                        memory.confirm(Answer::Snapshot(answer), asked_at);
                    },
                    Step::Kv(behind) => memory.fall_back(at(truth.saturating_sub(behind)), now),
                    Step::Override(epoch, on) => memory.learn_override(Some(over(epoch, on)), now),
                    Step::Fail => memory.fail(now),
                }
                prop_assert!(memory.rank().epoch >= highest);
                highest = memory.rank().epoch;
                let held = memory.snapshot().map_or(0, |held| held.flags.epoch);
                if let Some(over) = memory.over.as_ref().filter(|over| over.epoch > held) {
                    prop_assert_eq!(obeys(&memory, now), (over.values[&FLAG], Source::Override));
                }
            }
        }
    }
}
