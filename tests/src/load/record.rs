//! What a load saw. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

/// One request and its answer. Times are since the load began.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Index of the router.
    pub router: usize,
    /// Index of the caller.
    pub caller: usize,
    /// When it was to be sent.
    pub due: Duration,
    /// When it was sent.
    pub sent: Duration,
    /// When the whole answer was there, or it was clear that there would be none.
    pub ended: Duration,
    /// HTTP status; `None` without an answer.
    pub status: Option<u16>,
    /// `X-Molt-Backend`; empty without one.
    pub backend: String,
    /// `X-Molt-Flags-Version`.
    pub flags_version: Option<u64>,
    /// `X-Molt-Flags-Source`.
    pub flags_source: Option<String>,
    /// What is wrong with it: no answer, a status of 500 or more, or what the judge said.
    pub failure: Option<String>,
}

impl Sample {
    /// From when it was due to the end of its answer.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.ended.saturating_sub(self.due)
    }
}

/// Answers of a load, by the time at which they were asked for.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The answers.
    pub samples: Vec<Sample>,
}

impl Record {
    /// Of these answers.
    #[must_use]
    pub fn new(mut samples: Vec<Sample>) -> Self {
        samples.sort_by_key(|sample| sample.sent);
        Self { samples }
    }

    /// Those that satisfy a condition.
    #[must_use]
    pub fn filter(&self, wanted: impl Fn(&Sample) -> bool) -> Self {
        let samples = self.samples.iter().filter(|sample| wanted(sample)).cloned();
        Self {
            samples: samples.collect(),
        }
    }

    /// Those that were sent from `from` on and before `to`.
    #[must_use]
    pub fn between(&self, from: Duration, to: Duration) -> Self {
        self.filter(|sample| (from..to).contains(&sample.sent))
    }

    /// Those that were sent from `from` on.
    #[must_use]
    pub fn since(&self, from: Duration) -> Self {
        self.between(from, Duration::MAX)
    }

    /// Those of one router.
    #[must_use]
    pub fn of_router(&self, router: usize) -> Self {
        self.filter(|sample| sample.router == router)
    }

    /// Those that failed.
    #[must_use]
    pub fn failed(&self) -> Self {
        self.filter(|sample| sample.failure.is_some())
    }

    /// The first failures, for people.
    #[must_use]
    pub fn examples(&self, most: usize) -> Vec<String> {
        let failed = self.samples.iter().filter_map(|sample| {
            let failure = sample.failure.as_ref()?;
            let (router, caller, sent) = (sample.router, sample.caller, sample.sent);
            Some(format!(
                "router {router}, caller {caller}, sent at {sent:.2?}: {failure}"
            ))
        });
        failed.take(most).collect()
    }

    /// # Panics
    /// When one failed, or there is none at all.
    pub fn assert_all_good(&self) {
        assert!(!self.samples.is_empty(), "nothing was asked");
        let failed = self.failed().samples.len();
        let of = self.samples.len();
        assert!(failed == 0, "{failed} of {of} requests failed: {:#?}", self.examples(5));
    }

    /// The latency that this share of the answers, 0 to 1, kept to; zero without any.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let mut latencies: Vec<Duration> = self.samples.iter().map(Sample::latency).collect();
        latencies.sort_unstable();
        let rank = (share * latencies.len() as f64).ceil() as usize;
        let index = rank.clamp(1, latencies.len().max(1)) - 1;
        latencies.get(index).copied().unwrap_or_default()
    }

    /// How many were answered by whom.
    #[must_use]
    pub fn backends(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for sample in &self.samples {
            *counts.entry(sample.backend.clone()).or_default() += 1;
        }
        counts
    }

    /// From `since` until the last request was sent that the old kind of answer was given to; `None` when there was none.
    #[must_use]
    pub fn last(&self, since: Duration, is_old: impl Fn(&Sample) -> bool) -> Option<Duration> {
        let old = self
            .samples
            .iter()
            .filter(|sample| sample.sent >= since && is_old(sample));
        old.map(|sample| sample.sent - since).max()
    }

    /// Who answered each caller, in order.
    #[must_use]
    pub fn sequences(&self) -> BTreeMap<usize, Vec<&Sample>> {
        let mut sequences: BTreeMap<usize, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            sequences.entry(sample.caller).or_default().push(sample);
        }
        sequences
    }

    /// Callers who saw the backend change more often than `most` times, and how often. While something moves in one direction, more than
    /// once is a flap. Only good answers of these backends count.
    #[must_use]
    pub fn flapped(&self, among: &[&str], most: usize) -> BTreeMap<usize, usize> {
        let sequences = self.sequences().into_iter();
        let counted = sequences.map(|(caller, samples)| {
            let counts = |sample: &&&Sample| sample.failure.is_none() && among.contains(&sample.backend.as_str());
            (
                caller,
                changes(&samples.iter().filter(counts).copied().collect::<Vec<_>>()),
            )
        });
        counted.filter(|(_, changes)| *changes > most).collect()
    }
}

/// How often the backend changed, for certain: requests that were under way at the same time have no order.
fn changes(samples: &[&Sample]) -> usize {
    let Some(mut last) = samples.iter().min_by_key(|sample| sample.ended) else {
        return 0;
    };
    let mut changes = 0;
    loop {
        let later = samples
            .iter()
            .filter(|sample| sample.sent >= last.ended && sample.backend != last.backend);
        match later.min_by_key(|sample| sample.ended) {
            Some(next) => last = next,
            None => return changes,
        }
        changes += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Record, Sample};
    use std::time::Duration;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn sample(caller: usize, sent: u64, ended: u64, backend: &str) -> Sample {
        Sample {
            router: caller % 2,
            caller,
            due: MS(sent),
            sent: MS(sent),
            ended: MS(ended),
            status: Some(200),
            backend: backend.into(),
            flags_version: None,
            flags_source: None,
            failure: None,
        }
    }

    fn record(rows: &[(usize, u64, u64, &str)]) -> Record {
        Record::new(
            rows.iter()
                .map(|(caller, sent, ended, backend)| sample(*caller, *sent, *ended, backend))
                .collect(),
        )
    }

    #[test]
    fn a_subject_that_comes_back_has_flapped() {
        let moved = record(&[(1, 0, 1, "a"), (1, 2, 3, "a"), (1, 4, 5, "b"), (1, 6, 7, "b")]);
        assert!(moved.flapped(&["a", "b"], 1).is_empty());
        assert_eq!(moved.flapped(&["a", "b"], 0), [(1, 1)].into());
        let flapped = record(&[
            (1, 0, 1, "a"),
            (1, 2, 3, "b"),
            (1, 4, 5, "a"),
            (1, 6, 7, "b"),
            (2, 0, 9, "b"),
        ]);
        assert_eq!(flapped.flapped(&["a", "b"], 1), [(1, 3)].into());
        let others = record(&[(1, 0, 1, "a"), (1, 2, 3, "router"), (1, 4, 5, "a")]);
        assert!(
            others.flapped(&["a", "b"], 0).is_empty(),
            "only those that are asked for"
        );
    }

    #[test]
    fn what_was_under_way_at_once_has_no_order() {
        // The second was sent before the first had ended, so the old answer may well have been decided first.
        let overlap = record(&[(1, 0, 1, "a"), (1, 2, 10, "b"), (1, 3, 12, "a"), (1, 20, 21, "b")]);
        assert!(overlap.flapped(&["a", "b"], 1).is_empty());
        let back = record(&[(1, 0, 1, "a"), (1, 2, 10, "b"), (1, 10, 12, "a")]);
        assert_eq!(back.flapped(&["a", "b"], 1), [(1, 2)].into());
    }

    #[test]
    fn the_last_of_the_old_kind_is_found_by_router() {
        let all = record(&[
            (0, 100, 110, "old"),
            (1, 200, 900, "old"),
            (0, 300, 301, "new"),
            (1, 400, 401, "new"),
        ]);
        let old = |sample: &Sample| sample.backend == "old";
        assert_eq!(
            all.last(MS(50), old),
            Some(MS(150)),
            "when it was sent, not when it was answered"
        );
        assert_eq!(all.of_router(0).last(MS(50), old), Some(MS(50)));
        assert_eq!(all.last(MS(201), old), None);
        assert_eq!(all.since(MS(300)).backends(), [("new".to_owned(), 2)].into());
    }

    #[test]
    fn percentiles_count_from_when_a_request_was_due() {
        let mut all = record(&[]);
        assert_eq!(all.percentile(0.5), MS(0));
        for number in 1..=100 {
            all.samples.push(sample(0, 0, number, "a"));
        }
        assert_eq!(
            (all.percentile(0.5), all.percentile(0.99), all.percentile(1.0)),
            (MS(50), MS(99), MS(100))
        );
        all.samples = vec![Sample {
            due: MS(0),
            ..sample(0, 40, 50, "a")
        }];
        assert_eq!(all.percentile(0.0), MS(50));
    }

    #[test]
    #[should_panic(expected = "1 of 2 requests failed")]
    fn a_failure_is_not_overlooked() {
        let mut all = record(&[(1, 0, 1, "a"), (1, 2, 3, "a")]);
        all.samples[1].failure = Some("it failed".into());
        all.assert_all_good();
    }
}
