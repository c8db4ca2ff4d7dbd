//! What holds for every setting and every subject.

use super::{Flag, FlagOverride, FlagSet, FlagSetting, Rank, Reason, Source, Subject, rank, rule, standing, withdraws};
use crate::time::Millis;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Few, so that lists and subjects meet.
fn subject() -> impl Strategy<Value = Subject> {
    (0..12_u8).prop_map(|number| Subject::parse(&format!("user-{number}")).unwrap())
}

fn list() -> impl Strategy<Value = BTreeSet<Subject>> {
    prop::collection::btree_set(subject(), 0..4)
}

fn setting() -> impl Strategy<Value = FlagSetting> {
    let percent = prop_oneof![Just(0), Just(100), 0..=100_u8];
    (any::<bool>(), percent, list(), list(), any::<bool>(), any::<bool>()).prop_map(
        |(enabled, percent, allow, deny, killed, discard_disk)| FlagSetting {
            enabled,
            percent,
            allow,
            deny,
            killed,
            discard_disk,
        },
    )
}

fn flag() -> impl Strategy<Value = Flag> {
    prop::sample::select(Flag::ALL.to_vec())
}

fn over() -> impl Strategy<Value = FlagOverride> {
    let values = prop::collection::btree_map(flag(), any::<bool>(), 0..3);
    (0..4_u64, values, any::<bool>()).prop_map(|(epoch, values, discard_disk)| FlagOverride {
        epoch,
        values,
        discard_disk,
        at: Millis(epoch),
        author: "op".into(),
        reason: "drill".into(),
    })
}

fn set() -> impl Strategy<Value = FlagSet> {
    let flags = prop::collection::btree_map(flag(), setting(), 0..3);
    (0..9_u64, 0..4_u64, flags).prop_map(|(version, epoch, flags)| FlagSet { version, epoch, flags })
}

/// Made-up user ids, the same in every run.
fn uuids(count: u128) -> impl Iterator<Item = Subject> {
    (0..count).map(|number| {
        let bytes = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Subject::parse(
            &uuid::Builder::from_random_bytes(bytes.to_be_bytes())
                .into_uuid()
                .to_string(),
        )
        .unwrap()
    })
}

fn percent(percent: u8) -> FlagSetting {
    FlagSetting {
        percent,
        ..FlagSetting::all_or_nobody(true)
    }
}

proptest! {
    #[test]
    fn a_kill_beats_everything(flag in flag(), setting in setting(), subject in prop::option::of(subject())) {
        let killed = FlagSetting { killed: true, ..setting };
        let ruling = rule(flag, &killed, subject.as_ref());
        prop_assert_eq!((ruling.on, ruling.reason), (false, Reason::Killed));
    }

    #[test]
    fn deny_beats_allow_and_allow_beats_the_share(flag in flag(), setting in setting(), subject in subject()) {
        let setting = FlagSetting { killed: false, ..setting };
        let ruling = rule(flag, &setting, Some(&subject));
        let expected = match (setting.deny.contains(&subject), setting.allow.contains(&subject)) {
            (true, _) => Some((false, Reason::Denied)),
            (false, true) => Some((true, Reason::Allowed)),
            (false, false) => None,
        };
        match expected {
            Some(expected) => prop_assert_eq!((ruling.on, ruling.reason), expected),
            None if setting.enabled => prop_assert_eq!(ruling.reason, Reason::Percent),
            None => prop_assert_eq!((ruling.on, ruling.reason), (false, Reason::Disabled)),
        }
    }

    #[test]
    fn a_growing_share_moves_nobody_off(flag in flag(), subject in "[a-z0-9-]{1,40}", small in 0..=100_u8, more in 0..=100_u8) {
        let subject = Subject::parse(&subject).unwrap();
        let large = small.saturating_add(more).min(100);
        let on = |share| rule(flag, &percent(share), Some(&subject)).on;
        prop_assert!(!on(small) || on(large));
        prop_assert!(on(100) && !on(0));
        prop_assert_eq!(on(small), on(small), "and it stays");
    }

    #[test]
    fn without_a_subject_only_the_whole_is_on(flag in flag(), setting in setting()) {
        let expected = !setting.killed && setting.enabled && setting.percent == 100;
        prop_assert_eq!(rule(flag, &setting, None).on, expected);
    }

    #[test]
    fn what_holds_for_all_holds_for_each(
        flag in flag(), set in set(), over in prop::option::of(over()), var in prop::option::of("true|false"),
        first in prop::option::of(subject()), second in prop::option::of(subject()),
    ) {
        let of = |subject: &Option<Subject>| {
            standing(flag, Some((&set, Source::Kv)), over.as_ref(), var.as_deref(), subject.as_ref())
        };
        let (first, second) = (of(&first), of(&second));
        prop_assert_eq!((first.source, first.for_all), (second.source, second.for_all));
        prop_assert!(!first.for_all || first.on == second.on);
    }

    #[test]
    fn an_override_counts_with_a_higher_epoch_and_for_what_it_names(
        flag in flag(), set in set(), over in over(), var in prop::option::of("true|false"), subject in prop::option::of(subject()),
    ) {
        let of = |over| standing(flag, Some((&set, Source::ControlPlane)), over, var.as_deref(), subject.as_ref());
        let (with, without) = (of(Some(&over)), of(None));
        if over.epoch > set.epoch && over.values.contains_key(&flag) {
            prop_assert_eq!(with.source, Source::Override);
            let denied = set.flags.get(&flag).is_some_and(|known| subject.as_ref().is_some_and(|who| known.deny.contains(who)));
            prop_assert_eq!(with.on, over.values[&flag] && !denied);
        } else {
            prop_assert_eq!(with, without);
        }
        prop_assert!(rank(Some(&set), Some(&over)) >= rank(Some(&set), None));
        // Nothing changes for anybody when it is adopted.
        let mut adopted = set.clone();
        if over.epoch > set.epoch {
            let values = Flag::ALL.into_iter().filter_map(|flag| Some((flag, over.applied(flag, set.flags.get(&flag))?)));
            adopted.flags.extend(values);
            (adopted.epoch, adopted.version) = (over.epoch, set.version + 1);
        }
        let after = standing(flag, Some((&adopted, Source::ControlPlane)), Some(&over), var.as_deref(), subject.as_ref());
        prop_assert_eq!((after.on, after.reason), (with.on, with.reason));
        prop_assert_ne!(after.source, Source::Override);
        prop_assert!(rank(Some(&adopted), Some(&over)) >= rank(Some(&set), Some(&over)));
    }

    #[test]
    fn what_is_known_comes_before_the_variable_and_that_before_off(
        flag in flag(), set in set(), held in any::<bool>(), var in prop::option::of("true|false|TRUE|1|"), subject in prop::option::of(subject()),
    ) {
        let found = standing(flag, held.then_some((&set, Source::LastKnown)), None, var.as_deref(), subject.as_ref());
        match (set.flags.get(&flag).filter(|_| held), var.as_deref()) {
            (Some(known), _) => {
                let ruling = rule(flag, known, subject.as_ref());
                prop_assert_eq!((found.on, found.reason, found.source), (ruling.on, Some(ruling.reason), Source::LastKnown));
            }
            (None, Some(word)) => prop_assert_eq!((found.on, found.source), (word == "true", Source::Var)),
            (None, None) => prop_assert_eq!((found.on, found.source), (false, Source::Off)),
        }
    }

    #[test]
    fn a_withdrawal_is_one_for_somebody(flag in flag(), before in prop::option::of(setting()), after in prop::option::of(setting())) {
        let all = FlagSetting::all_or_nobody(true);
        let on = |setting: &Option<FlagSetting>, subject: Option<&Subject>| rule(flag, setting.as_ref().unwrap_or(&all), subject).on;
        // Those on lists, those on none at every place of a hundredth, and nobody in particular.
        let listed = (0..12_u8).map(|number| Subject::parse(&format!("user-{number}")).unwrap());
        let off = listed.chain(uuids(2_000)).map(Some).chain([None]).find(|who| on(&before, who.as_ref()) && !on(&after, who.as_ref()));
        prop_assert_eq!(withdraws(flag, before.as_ref(), after.as_ref()), off.is_some(), "{:?}", off);
    }

    #[test]
    fn a_rank_is_read_as_it_was_written(epoch in any::<u64>(), version in any::<u64>()) {
        let rank = Rank { epoch, version };
        prop_assert_eq!(Rank::parse(&rank.header()), Some(rank));
    }
}

#[test]
fn nobody_is_asked_who_he_is_where_it_makes_no_difference() {
    let for_all = |setting: FlagSetting| {
        let set = FlagSet {
            flags: [(Flag::NewAdminApi, setting)].into(),
            ..FlagSet::default()
        };
        standing(Flag::NewAdminApi, Some((&set, Source::Kv)), None, None, None).for_all
    };
    let deny: BTreeSet<Subject> = [Subject::parse("d").unwrap()].into();
    for on in [true, false] {
        assert!(for_all(FlagSetting::all_or_nobody(on)));
    }
    assert!(for_all(FlagSetting {
        killed: true,
        deny: deny.clone(),
        ..percent(5)
    }));
    assert!(for_all(FlagSetting {
        enabled: false,
        ..percent(5)
    }));
    assert!(!for_all(percent(5)) && !for_all(FlagSetting { deny, ..percent(100) }));
    let unset = standing(Flag::NewAdminApi, None, None, Some("true"), None);
    assert!(unset.for_all && unset.on);
}

#[test]
fn shares_have_about_their_size_and_flags_are_independent() {
    let users: Vec<Subject> = uuids(10_000).collect();
    let inside = |flag, share| -> BTreeSet<&Subject> {
        let on = |subject: &&Subject| rule(flag, &percent(share), Some(subject)).on;
        users.iter().filter(on).collect()
    };
    for flag in Flag::ALL {
        for share in [1, 5, 10, 25, 50, 75, 90, 99] {
            let found = inside(flag, share).len();
            let expected = usize::from(share) * 100;
            // Five standard deviations of 10,000 throws are at most 250.
            assert!(found.abs_diff(expected) <= 250, "{flag:?} {share} %: {found}");
        }
    }
    let both = inside(Flag::NewAdminApi, 50)
        .intersection(&inside(Flag::NewContainerGateway, 50))
        .count();
    assert!(both.abs_diff(2_500) <= 250, "half of a half: {both}");
}
