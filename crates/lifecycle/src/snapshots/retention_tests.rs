use super::{HOUR_MS, Policy, WEEK_MS, kept};
use molt_common::snapshot::{ListedSnapshot, ObjectId, SaveReason, SnapshotId, Standing};
use molt_common::time::Millis;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A Monday, 00:00 UTC.
const MONDAY: Millis = Millis(1_800_230_400_000);

pub fn id(number: u64) -> SnapshotId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    ObjectId::new(bytes)
}

fn listed(sequence: u64, at: Millis, standing: Standing, pinned: bool) -> ListedSnapshot {
    ListedSnapshot {
        id: id(sequence),
        sequence,
        generation: 1,
        standing,
        why: None,
        reason: SaveReason::Interval,
        taken_at: at,
        published_at: at,
        parent: None,
        files: 1,
        bytes: 1,
        added_bytes: 1,
        databases: 0,
        unreadable_count: 0,
        verification: None,
        pinned,
    }
}

/// One every five minutes for so long, until `now`.
fn every_five_minutes(ms: u64, now: Millis) -> Vec<ListedSnapshot> {
    let step = 5 * 60_000;
    (0..ms / step)
        .map(|at| listed(at + 1, Millis(now.0 - ms + at * step), Standing::Published, false))
        .collect()
}

#[test]
fn two_months_are_thinned_to_hours_days_and_weeks() {
    let now = MONDAY.plus(3 * HOUR_MS);
    let all = every_five_minutes(8 * WEEK_MS, now);
    let kept = kept(&all, &[], Policy::default(), now);
    let ages: Vec<u64> = all
        .iter()
        .rev()
        .filter(|one| kept.contains(&one.id))
        .map(|one| now.since(one.published_at))
        .collect();
    let recent = ages.iter().filter(|age| **age < HOUR_MS).count();
    assert_eq!(recent, 11, "{ages:?}");
    // 24 hours, of which the newest is among the recent ones; 7 days and 4 weeks, of which some are among the hours.
    assert!((11 + 23..=11 + 23 + 6 + 3).contains(&ages.len()), "{ages:?}");
    assert!(
        ages.iter().any(|age| *age > 2 * WEEK_MS) && ages.iter().all(|age| *age < 5 * WEEK_MS),
        "{ages:?}"
    );
}

#[test]
fn a_week_begins_on_monday() {
    let policy = Policy {
        recent_ms: 0,
        recent_most: 0,
        recent_quarantined: 0,
        hourly: 0,
        daily: 0,
        weekly: 2,
        quarantined: 0,
    };
    let all = [
        listed(1, Millis(MONDAY.0 - 2), Standing::Published, false),
        listed(2, Millis(MONDAY.0 - 1), Standing::Published, false),
        listed(3, MONDAY, Standing::Published, false),
        listed(4, MONDAY.plus(6 * 24 * HOUR_MS), Standing::Published, false),
    ];
    assert_eq!(
        kept(&all, &[], policy, MONDAY.plus(WEEK_MS)),
        BTreeSet::from([id(2), id(4)])
    );
}

#[test]
fn a_sandbox_that_saves_all_the_time_does_not_fill_the_list() {
    let all: Vec<_> = (0..2_000)
        .map(|at| listed(at + 1, MONDAY.plus(at), Standing::Published, false))
        .chain((0..2_000).map(|at| listed(at + 2_001, MONDAY.plus(at), Standing::Quarantined, false)))
        .collect();
    assert_eq!(kept(&all, &[], Policy::default(), MONDAY.plus(3_000)).len(), 60 + 12);
}

prop_compose! {
    fn any_list()(points in prop::collection::vec((0..40 * 24 * HOUR_MS, 0u8..10), 0..120)) -> Vec<ListedSnapshot> {
        let mut times: Vec<_> = points;
        times.sort_by_key(|(at, _)| *at);
        times.into_iter().enumerate().map(|(at, (time, kind))| {
            let standing = if kind == 0 { Standing::Quarantined } else { Standing::Published };
            listed(at as u64 + 1, MONDAY.plus(time), standing, kind == 1)
        }).collect()
    }
}

proptest! {
    #[test]
    fn what_must_stay_stays(list in any_list(), protected in any::<prop::sample::Index>(), later in 0..60 * 24 * HOUR_MS) {
        let now = list.last().map_or(MONDAY, |one| one.published_at).plus(later);
        let protected: Vec<_> = list.get(protected.index(list.len().max(1))).map(|one| one.id).into_iter().collect();
        let kept = kept(&list, &protected, Policy::default(), now);
        let newest = |standing| list.iter().rev().find(|one| one.standing == standing);
        for one in &list {
            let must = one.pinned || protected.contains(&one.id)
                || (one.standing == Standing::Published && now.since(one.published_at) < HOUR_MS && list.len() <= 60);
            prop_assert!(!must || kept.contains(&one.id), "{:?}", one);
        }
        for standing in [Standing::Published, Standing::Quarantined] {
            prop_assert!(newest(standing).is_none_or(|one| kept.contains(&one.id)), "the newest always stays");
        }
        let free = list.iter().filter(|one| kept.contains(&one.id) && !one.pinned && !protected.contains(&one.id)).count();
        prop_assert!(free <= 60 + 12 + 24 + 7 + 4 + 48);
    }

    /// What was thinned is not thinned further by looking again, and looking rarely loses nothing that looking often keeps.
    #[test]
    fn thinning_is_stable(list in any_list(), cut in any::<prop::sample::Index>()) {
        let policy = Policy::default();
        let now = list.last().map_or(MONDAY, |one| one.published_at).plus(1);
        let once = kept(&list, &[], policy, now);
        let left: Vec<_> = list.iter().filter(|one| once.contains(&one.id)).cloned().collect();
        prop_assert_eq!(&kept(&left, &[], policy, now), &once);
        // Thinned in the middle of its history as well.
        let cut = cut.index(list.len().max(1));
        if let Some(at) = list.get(cut).map(|one| one.published_at) {
            let early = kept(&list[..=cut], &[], policy, at);
            let rest: Vec<_> = list.iter().enumerate()
                .filter(|(place, one)| *place > cut || early.contains(&one.id)).map(|(_, one)| one.clone()).collect();
            let late = kept(&rest, &[], policy, now);
            let newest_of_hours = kept(&list, &[], Policy { weekly: 0, daily: 0, ..policy }, now);
            prop_assert!(newest_of_hours.is_subset(&late), "hours do not depend on when one looks");
        }
    }
}
