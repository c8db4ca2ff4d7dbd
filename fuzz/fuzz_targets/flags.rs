//! What operators write about flags: the body of a change, the override in KV, names of subjects.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use molt_common::api::flags::{FlagRequest, audited, reason};
use molt_common::flag::{
    Flag, FlagOverride, FlagSet, FlagSetting, LONGEST_LIST, Rank, Source, Subject, rule, standing, withdraws,
};
use molt_common::time::Millis;

#[derive(Arbitrary, Debug)]
struct Input {
    text: String,
    now: u64,
    subject: String,
    before: Option<(bool, u8, Vec<u8>, bool)>,
}

const DAY_MS: u64 = 24 * 3600 * 1000;

fn assert_sound(setting: &FlagSetting) {
    assert!(setting.percent <= 100 && setting.allow.len() <= LONGEST_LIST && setting.deny.len() <= LONGEST_LIST);
    assert!(setting.allow.is_disjoint(&setting.deny));
    let text = serde_json::to_string(setting).expect("it is written");
    assert_eq!(
        &serde_json::from_str::<FlagSetting>(&text).expect("it is read"),
        setting
    );
}

fuzz_target!(|input: Input| {
    let subject = Subject::parse(&input.subject).ok();
    if let Some(subject) = &subject {
        assert_eq!(Subject::parse(subject.as_str()).as_ref(), Ok(subject));
        assert!(subject.as_str().len() <= 64 && subject.as_str().is_ascii());
    }
    if let Some(rank) = Rank::parse(&input.text) {
        assert_eq!(Rank::parse(&rank.header()), Some(rank));
    }
    if let Ok(kept) = reason(&input.text) {
        assert_eq!(reason(&kept).as_deref(), Ok(kept.as_str()));
    }
    let before = input.before.map(|(enabled, percent, denied, killed)| FlagSetting {
        enabled,
        percent: percent % 101,
        killed,
        deny: denied
            .iter()
            .filter_map(|byte| Subject::parse(&byte.to_string()).ok())
            .collect(),
        ..FlagSetting::default()
    });
    if let Ok(setting) = serde_json::from_str::<FlagRequest>(&input.text)
        .map_err(drop)
        .and_then(|request| request.setting().map_err(drop))
    {
        assert_sound(&setting);
        for flag in Flag::ALL {
            assert!(!withdraws(flag, Some(&setting), Some(&setting)));
            let lost = |who: Option<&Subject>| {
                before.as_ref().is_some_and(|old| rule(flag, old, who).on) && !rule(flag, &setting, who).on
            };
            if lost(subject.as_ref()) || lost(None) {
                assert!(withdraws(flag, before.as_ref(), Some(&setting)));
            }
        }
        assert!(audited(before.as_ref(), Some(&setting)).to_string().len() < 8_192);
    }
    let Ok(over) = FlagOverride::read(&input.text, Millis(input.now)) else {
        return;
    };
    assert!(over.epoch <= input.now.saturating_add(DAY_MS));
    let text = serde_json::to_string(&over).expect("it is written");
    assert_eq!(FlagOverride::read(&text, Millis(input.now)).as_ref(), Ok(&over));
    for flag in Flag::ALL {
        let held = FlagSet {
            flags: before.clone().map(|setting| (flag, setting)).into_iter().collect(),
            ..FlagSet::default()
        };
        let stands = standing(flag, Some((&held, Source::Kv)), Some(&over), None, subject.as_ref());
        let counts = over.epoch > 0 && over.values.contains_key(&flag);
        assert_eq!(stands.source == Source::Override, counts);
        if counts && over.values.get(&flag) == Some(&false) {
            assert!(!stands.on && stands.for_all);
        }
    }
});
