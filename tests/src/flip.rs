//! A flip of a flag under load, measured at each router.

use crate::flags::SEEN;
use crate::load::{Load, Record, Sample};
use crate::stack::Stack;
use serde_json::Value;
use std::time::Duration;

/// A router has gone over when it has answered from the new side alone for this long.
const SETTLED: Duration = Duration::from_secs(2);
/// A router that has not gone over by then never will.
const LIMIT: Duration = Duration::from_secs(60);

/// What flips, and how the load tells.
pub struct Flip<'a> {
    /// Name of the flag.
    pub flag: &'a str,
    /// What it is set to.
    pub setting: Value,
    /// Who answered before.
    pub old: &'static str,
    /// Who answers after.
    pub new: &'static str,
    /// Callers whom the flag is about.
    pub callers: &'a [usize],
}

impl Flip<'_> {
    fn about(&self, record: &Record) -> Record {
        record.filter(|sample| self.callers.contains(&sample.caller))
    }

    /// Sets the flag and waits until each of the load's `routers` has gone over. Gives for each how long after the change it was still asked
    /// and answered from the old side; `None` for one that never was.
    ///
    /// # Panics
    /// When a router does not go over, goes back, or answers from the new side by other flags than these.
    pub async fn make(&self, stack: &Stack, load: &Load, routers: usize) -> Vec<Option<Duration>> {
        let set_at = load.now();
        let version = stack.set_flag(self.flag, self.setting.clone()).await;
        load.until("every router has gone over", LIMIT, |record| {
            let since = self.about(record).since(set_at);
            let all = (0..routers).all(|router| self.has_settled(&since.of_router(router), set_at));
            all.then_some(())
        })
        .await;
        let record = self.about(&load.record()).since(set_at);
        let measured = (0..routers).map(|router| {
            let own = record.of_router(router);
            for sample in own.samples.iter().filter(|sample| sample.backend == self.new) {
                assert_eq!(sample.flags_version, Some(version), "{sample:?}");
                assert_eq!(sample.flags_source.as_deref(), Some("control-plane"), "{sample:?}");
            }
            assert_eq!(
                own.flapped(&[self.old, self.new], 1),
                [].into(),
                "router {router} went back"
            );
            let last = own.last(set_at, |sample| sample.backend == self.old);
            assert!(last.unwrap_or_default() < SEEN, "router {router}: {last:?}");
            last
        });
        measured.collect()
    }

    fn has_settled(&self, own: &Record, set_at: Duration) -> bool {
        let last = own
            .last(set_at, |sample| sample.backend == self.old)
            .unwrap_or_default();
        let settled = |sample: &Sample| sample.backend == self.new && sample.sent > set_at + last + SETTLED;
        own.samples.iter().any(settled)
    }
}
