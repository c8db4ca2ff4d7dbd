//! Which finished commands are forgotten.

/// Results that are always kept: the newest ones.
const NEWEST: usize = 200;
/// Milliseconds for which a result is kept however many newer ones there are.
const MIN_AGE_MS: u64 = 10 * 60 * 1000;

/// The ids to forget among `(id, completed_at)`.
pub fn expired(mut finished: Vec<(String, u64)>, now_ms: u64) -> Vec<String> {
    finished.sort_by_key(|(_, completed_at)| std::cmp::Reverse(*completed_at));
    finished
        .into_iter()
        .skip(NEWEST)
        .filter(|(_, completed_at)| now_ms.saturating_sub(*completed_at) > MIN_AGE_MS)
        .map(|(id, _)| id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(count: u64, completed_at: impl Fn(u64) -> u64) -> Vec<(String, u64)> {
        (0..count)
            .map(|index| (index.to_string(), completed_at(index)))
            .collect()
    }

    #[test]
    fn old_results_go_only_beyond_the_newest_200() {
        let now = 100 * MIN_AGE_MS;
        assert!(expired(finished(200, |_| 0), now).is_empty());
        assert_eq!(expired(finished(201, |index| index), now), ["0"]);
    }

    #[test]
    fn young_results_stay_however_many_there_are() {
        let now = 100 * MIN_AGE_MS;
        assert!(expired(finished(1000, |_| now - MIN_AGE_MS), now).is_empty());
    }
}
