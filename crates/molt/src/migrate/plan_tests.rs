use super::{
    Beginning, Journey, Obstacle, Resume, Seen, Steps, Undo, begin, is_complete, killed, reaches, setting_at, undo,
};
use molt_common::flag::{Flag, FlagSetting, Subject, rule};
use proptest::prelude::*;

fn subject(text: &str) -> Subject {
    Subject::parse(text).unwrap()
}

fn steps(text: &str) -> Steps {
    text.parse().unwrap()
}

#[test]
fn steps_grow_and_are_percentages() {
    assert_eq!(Vec::from(steps("5,25, 50,100")), [5, 25, 50, 100]);
    assert_eq!(steps("5,25").to_string(), "5,25");
    for bad in ["", "0,5", "5,5", "25,5", "101", "256", "x", "5,,25", "5;25", "-1"] {
        assert!(bad.parse::<Steps>().is_err(), "{bad:?}");
    }
    assert_eq!(steps("5,25,50,100").after(25).collect::<Vec<_>>(), [50, 100]);
    assert_eq!(steps("5,25").after(100).count(), 0);
    assert!(
        serde_json::from_str::<Steps>("[25,5]").is_err(),
        "a state file is read as strictly"
    );
}

#[test]
fn a_killed_flag_and_a_denied_probe_are_obstacles() {
    let seen = |setting| Seen {
        version: 3,
        setting: Some(setting),
    };
    let probe = subject("probe");
    let kill = seen(killed(Some(&FlagSetting::all_or_nobody(true)), false));
    assert_eq!(begin(&kill, true, &probe, false), Err(Obstacle::Killed));
    assert_eq!(begin(&kill, true, &probe, true), Ok(Beginning { done: 0 }));
    let denied = seen(FlagSetting {
        deny: [probe.clone()].into(),
        ..FlagSetting::default()
    });
    assert_eq!(begin(&denied, false, &probe, true), Err(Obstacle::ProbeDenied));
}

#[test]
fn what_was_reached_already_is_not_narrowed() {
    let probe = subject("probe");
    let at = |enabled, percent| Seen {
        version: 1,
        setting: Some(FlagSetting {
            enabled,
            percent,
            ..FlagSetting::default()
        }),
    };
    for (seen, variable, done) in [
        (at(true, 25), false, 25),
        (at(false, 25), true, 0),
        (at(true, 100), false, 100),
        (
            Seen {
                version: 0,
                setting: None,
            },
            false,
            0,
        ),
        (
            Seen {
                version: 0,
                setting: None,
            },
            true,
            100,
        ),
    ] {
        assert_eq!(
            begin(&seen, variable, &probe, false),
            Ok(Beginning { done }),
            "{seen:?}"
        );
    }
}

#[test]
fn an_undo_of_a_flag_that_was_never_set_removes_it_unless_disks_are_to_be_discarded() {
    assert_eq!(undo(None, false), Undo::Remove);
    let Undo::Set(setting) = undo(None, true) else {
        panic!("it must say that disks go")
    };
    assert!(!setting.enabled && setting.discard_disk);
}

fn settings() -> impl Strategy<Value = FlagSetting> {
    let people = || prop::collection::btree_set("[a-e]".prop_map(|name| subject(&name)), 0..4);
    (
        any::<bool>(),
        0..=100_u8,
        people(),
        people(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(enabled, percent, allow, deny, killed, discard_disk)| FlagSetting {
            enabled,
            percent,
            allow,
            deny,
            killed,
            discard_disk,
        })
}

proptest! {
    /// The share only grows, the probe is on the new path from the first step, nobody's entry in a list is lost, and who is in stays in.
    #[test]
    fn each_step_widens(
        before in prop::option::of(settings()),
        variable in any::<bool>(),
        lift in any::<bool>(),
        wanted in prop::collection::btree_set(1..=100_u8, 1..6),
        somebody in "[a-z0-9]{1,8}",
    ) {
        let probe = subject("probe");
        let seen = Seen { version: 7, setting: before.clone() };
        let Ok(beginning) = begin(&seen, variable, &probe, lift) else { return Ok(()) };
        let steps = Steps::try_from(wanted.into_iter().collect::<Vec<_>>()).unwrap();
        let journey = Journey::new(steps, seen, beginning.done, probe.clone(), false);
        let somebody = subject(&somebody);
        let lists = before.clone().unwrap_or_default();
        let (mut last, mut was_in) = (beginning.done, false);
        for (percent, setting) in journey.ahead() {
            prop_assert!(percent > last);
            last = percent;
            for flag in Flag::ALL {
                prop_assert!(reaches(flag, &setting, &probe));
            }
            prop_assert_eq!(&setting.deny, &lists.deny);
            prop_assert!(setting.allow.is_superset(&lists.allow));
            let is_in = rule(Flag::NewContainerGateway, &setting, Some(&somebody)).on;
            prop_assert!(is_in || !was_in, "nobody who was moved is moved back by widening");
            was_in = is_in;
            prop_assert!(percent < 100 || setting.allow == lists.allow, "the probe leaves nothing behind");
            prop_assert!(!is_complete(&setting) || percent == 100);
        }
    }

    /// Undone is as before, apart from what was asked about disks.
    #[test]
    fn undone_is_as_before(before in settings(), discard in any::<bool>()) {
        let Undo::Set(after) = undo(Some(&before), discard) else { panic!("it was set") };
        prop_assert_eq!(after.discard_disk, before.discard_disk || discard);
        prop_assert_eq!(FlagSetting { discard_disk: before.discard_disk, ..after }, before);
    }

    /// A rollback has nobody on the new path and forgets nothing.
    #[test]
    fn a_rollback_leaves_nobody(before in prop::option::of(settings()), discard in any::<bool>(), who in "[a-e]") {
        let after = killed(before.as_ref(), discard);
        for flag in Flag::ALL {
            prop_assert!(!rule(flag, &after, Some(&subject(&who))).on);
            prop_assert!(!rule(flag, &after, None).on);
        }
        let before = before.unwrap_or_default();
        prop_assert_eq!(FlagSetting { killed: before.killed, discard_disk: before.discard_disk, ..after }, before);
    }

    /// A run that was killed goes on only when the flag is as it left it or as it was about to leave it.
    #[test]
    fn a_change_by_somebody_else_is_noticed(
        left in prop::option::of(settings()),
        writing in prop::option::of(settings()),
        now in prop::option::of(settings()),
        later in 0..3_u64,
    ) {
        let mut journey = Journey::new(steps("5,100"), Seen { version: 4, setting: left.clone() }, 0, subject("probe"), false);
        journey.writing = writing.clone();
        let seen = Seen { version: 4 + later, setting: now.clone() };
        let ours = (later == 0 && now == left) || (later > 0 && writing.is_some() && now == writing);
        prop_assert_eq!(journey.resume(&seen) == Resume::AsLeft, ours);
        let text = serde_json::to_string(&journey).unwrap();
        prop_assert_eq!(serde_json::from_str::<Journey>(&text).unwrap(), journey);
    }
}

#[test]
fn the_probe_keeps_its_entry_when_it_had_one_before() {
    let probe = subject("probe");
    let before = FlagSetting {
        allow: [probe.clone()].into(),
        ..FlagSetting::default()
    };
    assert!(setting_at(Some(&before), 100, &probe).allow.contains(&probe));
    assert!(!setting_at(None, 100, &probe).allow.contains(&probe));
}
