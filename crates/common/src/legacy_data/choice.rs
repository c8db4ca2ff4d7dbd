//! Which copy of a user's files counts.
//!
//! The newest that is whole. Whether an archive is whole only reading it tells, so the candidates are told in their order, and the import takes the first that is. Two things
//! are decided before: an archive of a few bytes holds nothing, and one that is much smaller than a copy that is there as well was perhaps made by an agent
//! that had lost its files (the old system saved an empty home over a full one). Then somebody has to choose; an agent is never started on a guess.

use super::{ImportPlan, Source};
use crate::id::UserId;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// An archive of this size or less holds nothing: the old system went by the same number.
const EMPTY_BYTES: u64 = 200;
/// A copy must have so many bytes for its size to say anything.
const TELLING_BYTES: u64 = 64 * 1024;
/// So many times smaller than another copy, an archive is suspicious.
const SHRUNK: u64 = 4;
/// How the import of single files is named where a source is chosen.
pub const FILES: &str = "files";

/// An object of the old layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its key in the bucket; told as its name, because what is called a key in an answer is taken for a secret.
    #[serde(rename = "name")]
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Its version.
    pub etag: String,
    /// When it was stored.
    pub uploaded: Millis,
}

/// What there is of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// The newest archive.
    pub archive: Option<Found>,
    /// The one before it.
    pub previous: Option<Found>,
    /// Dated copies, newest first.
    pub dated: Vec<Found>,
    /// Objects that are single files.
    pub files: u64,
    /// Bytes of those.
    pub file_bytes: u64,
    /// Names of secrets that are kept in plain text: an operator sets them anew, nothing takes them over.
    pub secret_names: Vec<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// There is nothing of him: he starts empty.
    Nothing,
    /// This is taken.
    Take {
        /// What.
        plan: ImportPlan,
        /// Why this and not another.
        why: String,
    },
    /// Somebody has to choose; until then nothing is started.
    Ask {
        /// Why.
        why: String,
    },
}

impl Inventory {
    fn archives(&self) -> impl Iterator<Item = &Found> {
        self.archive.iter().chain(&self.previous).chain(&self.dated)
    }

    /// Whether there is anything that could be taken over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.archives().next().is_none() && self.files == 0
    }
}

/// Decides, by what there is and by what an operator chose: the key of an archive, or `files`.
#[must_use]
pub fn choose(user: UserId, inventory: &Inventory, chosen: Option<&str>, accept_damaged: bool) -> Choice {
    let plan = |source| ImportPlan {
        user,
        source,
        accept_damaged,
    };
    let files = || Source::Files {
        objects: inventory.files,
        bytes: inventory.file_bytes,
    };
    match chosen {
        Some(FILES) if inventory.files > 0 => {
            return Choice::Take {
                plan: plan(files()),
                why: "an operator chose the single files".into(),
            };
        }
        Some(key) => {
            return match inventory.archives().find(|found| found.key == key) {
                Some(found) => Choice::Take {
                    plan: plan(Source::Archives {
                        candidates: vec![found.clone()],
                    }),
                    why: "an operator chose it".into(),
                },
                None => Choice::Ask {
                    why: format!("{key}, which an operator chose, is not there any more."),
                },
            };
        }
        None => {}
    }
    let candidates: Vec<Found> = inventory
        .archives()
        .filter(|found| found.size > EMPTY_BYTES)
        .cloned()
        .collect();
    let Some(first) = candidates.first() else {
        return match (inventory.archives().next(), inventory.files) {
            (None, 0) => Choice::Nothing,
            (Some(empty), 0) => Choice::Ask {
                why: format!(
                    "{} has {} bytes: it holds nothing, and there is no other copy.",
                    empty.key, empty.size
                ),
            },
            _ => Choice::Take {
                plan: plan(files()),
                why: "there is no archive that holds anything".into(),
            },
        };
    };
    let larger = candidates
        .iter()
        .find(|other| other.size >= TELLING_BYTES && first.size.saturating_mul(SHRUNK) < other.size);
    if let Some(larger) = larger {
        return Choice::Ask {
            why: format!(
                "{} has {} bytes, and {} has {}: perhaps it was saved after its files were lost.",
                first.key, first.size, larger.key, larger.size
            ),
        };
    }
    let why = match inventory.archives().next() {
        Some(newest) if newest == first => "it is the newest archive".to_owned(),
        _ => "newer archives hold nothing".to_owned(),
    };
    Choice::Take {
        plan: plan(Source::Archives { candidates }),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn user() -> UserId {
        UserId::parse("0b0f3c1e-5a52-4c54-9d3f-6a5f0e1d2c3b").unwrap()
    }

    fn found(key: &str, size: u64) -> Found {
        Found {
            key: key.into(),
            size,
            etag: format!("e-{key}"),
            uploaded: Millis(size),
        }
    }

    fn decided(inventory: &Inventory) -> Choice {
        choose(user(), inventory, None, false)
    }

    fn keys(choice: Choice) -> Vec<String> {
        match choice {
            Choice::Take {
                plan:
                    ImportPlan {
                        source: Source::Archives { candidates },
                        ..
                    },
                ..
            } => candidates.into_iter().map(|found| found.key).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_newest_that_holds_anything_comes_first_and_the_others_after_it() {
        let mut inventory = Inventory {
            archive: Some(found("live", 5_000)),
            previous: Some(found("previous", 6_000)),
            dated: vec![found("dated", 5_500)],
            files: 9,
            ..Inventory::default()
        };
        assert_eq!(keys(decided(&inventory)), ["live", "previous", "dated"]);
        inventory.archive = Some(found("live", 45));
        assert_eq!(keys(decided(&inventory)), ["previous", "dated"]);
        inventory = Inventory {
            dated: vec![found("dated", 5_500)],
            ..Inventory::default()
        };
        assert_eq!(keys(decided(&inventory)), ["dated"]);
    }

    #[test]
    fn single_files_count_only_without_an_archive() {
        let mut inventory = Inventory {
            files: 3,
            file_bytes: 7,
            ..Inventory::default()
        };
        let Choice::Take { plan, .. } = decided(&inventory) else {
            panic!()
        };
        assert_eq!(plan.source, Source::Files { objects: 3, bytes: 7 });
        inventory.archive = Some(found("live", 100));
        assert!(matches!(
            decided(&inventory),
            Choice::Take {
                plan: ImportPlan {
                    source: Source::Files { .. },
                    ..
                },
                ..
            }
        ));
        inventory.files = 0;
        assert!(
            matches!(decided(&inventory), Choice::Ask { .. }),
            "an empty archive alone is not nothing"
        );
        assert_eq!(decided(&Inventory::default()), Choice::Nothing);
    }

    #[test]
    fn a_home_that_shrank_waits_for_somebody_who_chooses() {
        let inventory = Inventory {
            archive: Some(found("live", 20_000)),
            previous: Some(found("previous", 80_001)),
            ..Inventory::default()
        };
        let Choice::Ask { why } = decided(&inventory) else {
            panic!()
        };
        assert!(why.contains("live") && why.contains("previous"), "{why}");
        assert_eq!(keys(choose(user(), &inventory, Some("live"), false)), ["live"]);
        assert_eq!(keys(choose(user(), &inventory, Some("previous"), false)), ["previous"]);
        assert!(matches!(
            choose(user(), &inventory, Some("gone"), false),
            Choice::Ask { .. }
        ));
        assert!(matches!(
            choose(user(), &inventory, Some("files"), false),
            Choice::Ask { .. }
        ));
    }

    proptest! {
        /// Whatever there is: an empty archive is never a candidate, and where something is kept nobody starts empty.
        #[test]
        fn nothing_is_left_out_in_silence(sizes in prop::collection::vec(prop::option::of(0u64..500_000), 4), files in 0u64..3) {
            let at = |index: usize| sizes[index].map(|size| found(&format!("k{index}"), size));
            let inventory = Inventory { archive: at(0), previous: at(1), dated: at(2).into_iter().chain(at(3)).collect(), files, ..Inventory::default() };
            match decided(&inventory) {
                Choice::Nothing => prop_assert!(inventory.is_empty()),
                Choice::Take { plan: ImportPlan { source: Source::Archives { candidates }, .. }, .. } => {
                    prop_assert!(candidates.iter().all(|found| found.size > EMPTY_BYTES));
                    let most = candidates.iter().map(|found| found.size).max().unwrap_or_default();
                    prop_assert!(most < TELLING_BYTES || candidates[0].size * SHRUNK >= most);
                }
                Choice::Take { .. } => prop_assert!(files > 0 && inventory.archives().all(|found| found.size <= EMPTY_BYTES)),
                Choice::Ask { .. } => prop_assert!(inventory.archives().next().is_some()),
            }
        }
    }
}
