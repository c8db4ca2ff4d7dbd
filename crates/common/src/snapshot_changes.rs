//! Which changes of a sandbox are about its snapshots: whoever may save and restore may follow these, and no others.

/// Their words (`crate::sandbox_change::Wanted::word`).
pub const WORDS: [&str; 6] = ["save", "restore", "verify", "prune", "compare", "restore-path"];

/// Whether the change of this word is one of them.
#[must_use]
pub fn contains(word: &str) -> bool {
    WORDS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::{WORDS, contains};
    use crate::sandbox_change::{Wanted, WantedUpkeep};
    use crate::snapshot::ObjectId;

    #[test]
    fn words_are_those_of_saves_restores_and_upkeep() {
        let snapshot = ObjectId::new([1; 32]);
        let upkeep = [
            WantedUpkeep::Verify {
                snapshot: None,
                full: false,
            },
            WantedUpkeep::Prune,
            WantedUpkeep::Compare { snapshot },
            WantedUpkeep::RestorePath {
                snapshot,
                path: String::new(),
                to: None,
            },
        ];
        let mut words = vec![Wanted::Save.word(), Wanted::Restore { snapshot }.word()];
        words.extend(upkeep.into_iter().map(|work| Wanted::Upkeep { work }.word()));
        assert_eq!(words, WORDS);
        for other in [
            Wanted::Wake,
            Wanted::Destroy,
            Wanted::EmergencyReset,
            Wanted::Tier { tier: 2 },
        ] {
            assert!(!contains(other.word()));
        }
    }
}
