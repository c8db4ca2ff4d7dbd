use super::{Answer, KeyRuling, LOOK_UP_MS, Refresh, TrustMemory};
use crate::admin_key::{AdminKey, KeyRecord};
use crate::time::Millis;
use crate::trust::{AGEING_MS, FRESH_MS, KEYS_LIMIT_MS, TrustSnapshot};
use proptest::prelude::*;

const T: Millis = Millis(1_800_000_000_000);

fn key(number: u8) -> AdminKey {
    AdminKey::new([number; 8], [number; 32])
}

fn record(number: u8) -> KeyRecord {
    KeyRecord {
        id: key(number).id().clone(),
        hash: key(number).hash(),
        scopes: vec![],
        expires_at: None,
    }
}

fn snapshot(version: u64, keys: &[u8]) -> TrustSnapshot {
    TrustSnapshot {
        version,
        keys: keys.iter().map(|number| record(*number)).collect(),
        ..TrustSnapshot::default()
    }
}

fn confirmed(version: u64, keys: &[u8], at: Millis) -> TrustMemory {
    let mut memory = TrustMemory::default();
    memory.ask(at);
    memory.confirm(Answer::Snapshot(snapshot(version, keys)), at);
    memory
}

#[test]
fn only_an_answer_that_confirms_makes_young() {
    let mut memory = confirmed(1, &[], T);
    let later = T.plus(AGEING_MS);
    assert_eq!(memory.refresh(later), Refresh::Before);
    memory.confirm(Answer::Unchanged(2), later);
    assert_eq!(memory.refresh(later), Refresh::Before, "of another version");
    memory.confirm(Answer::Unchanged(1), later);
    assert_eq!(memory.refresh(later), Refresh::Nothing);
}

#[test]
fn a_key_is_admitted_by_a_confirmed_snapshot_and_not_beyond_its_limit() {
    let memory = confirmed(1, &[1], T);
    let edge = T.plus(KEYS_LIMIT_MS);
    assert_eq!(memory.rule(&key(1), edge, edge), KeyRuling::Admit(record(1)));
    assert_eq!(memory.rule(&key(1), edge.plus(1), edge.plus(1)), KeyRuling::LookUp);
    let mut dead = confirmed(1, &[1], T);
    dead.fail(edge.plus(1));
    assert_eq!(dead.rule(&key(1), edge.plus(1), edge.plus(1)), KeyRuling::Unavailable);
    assert_eq!(
        dead.rule(&key(1), edge, edge),
        KeyRuling::Admit(record(1)),
        "not before"
    );
}

#[test]
fn an_unknown_key_is_looked_up_once() {
    let mut memory = confirmed(1, &[1], T);
    let arrived = T.plus(LOOK_UP_MS / 2);
    assert_eq!(memory.rule(&key(2), arrived, arrived), KeyRuling::Wait(LOOK_UP_MS / 2));
    let later = T.plus(LOOK_UP_MS);
    assert_eq!(memory.rule(&key(2), arrived, later), KeyRuling::LookUp);
    memory.ask(later);
    assert_eq!(
        memory.rule(&key(3), later, later),
        KeyRuling::Wait(LOOK_UP_MS),
        "another asks"
    );
    memory.confirm(Answer::Snapshot(snapshot(2, &[1, 2])), later);
    assert_eq!(memory.rule(&key(2), arrived, later), KeyRuling::Admit(record(2)));
    assert_eq!(memory.rule(&key(3), arrived, later), KeyRuling::Refuse);
}

#[test]
fn an_unknown_key_is_not_called_wrong_when_nobody_can_tell() {
    let mut memory = confirmed(1, &[], T);
    let arrived = T.plus(3_000);
    memory.ask(arrived);
    memory.fail(arrived);
    assert_eq!(memory.rule(&key(2), arrived, arrived), KeyRuling::Unavailable);
    assert_eq!(
        TrustMemory::default().rule(&key(2), arrived, arrived),
        KeyRuling::LookUp
    );
}

#[test]
fn a_revoked_key_is_refused_by_the_next_confirmed_snapshot() {
    let mut memory = confirmed(1, &[1], T);
    let now = T.plus(3_000);
    memory.confirm(Answer::Snapshot(snapshot(2, &[])), now);
    assert_eq!(memory.rule(&key(1), now, now), KeyRuling::Refuse);
}

#[test]
fn a_copy_in_kv_admits_no_key() {
    let mut memory = TrustMemory::default();
    memory.fall_back(snapshot(7, &[1]), T);
    assert_eq!(memory.snapshot().unwrap().version, 7);
    assert_eq!(memory.rule(&key(1), T, T), KeyRuling::LookUp);
    assert_eq!(memory.refresh(T), Refresh::Before);
    let mut memory = confirmed(8, &[1], T);
    memory.fall_back(snapshot(7, &[]), T);
    assert_eq!(
        memory.rule(&key(1), T, T),
        KeyRuling::Admit(record(1)),
        "older copies count nothing"
    );
    memory.fall_back(snapshot(9, &[1]), T);
    assert_ne!(
        memory.rule(&key(1), T, T),
        KeyRuling::Admit(record(1)),
        "a newer one is not confirmed"
    );
}

#[test]
fn an_answer_that_was_overtaken_changes_nothing() {
    let mut memory = confirmed(5, &[], T.plus(100));
    memory.confirm(Answer::Snapshot(snapshot(4, &[1])), T);
    assert_eq!(memory.snapshot().unwrap().version, 5);
    memory.confirm(Answer::Unchanged(4), T.plus(200));
    assert_eq!(
        memory.refresh(T.plus(100 + FRESH_MS)),
        Refresh::Behind,
        "it confirmed another one"
    );
    memory.confirm(Answer::Snapshot(snapshot(1, &[])), T.plus(300));
    assert_eq!(memory.snapshot().unwrap().version, 1, "the truth began anew");
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Revoke,
    Ask,
    Answer,
    Fail,
    Kv,
    Present,
}

proptest! {
    /// Whatever happens in which order: a key is never admitted more than `KEYS_LIMIT_MS` after it was revoked.
    #[test]
    fn a_revocation_is_always_seen(steps in proptest::collection::vec(prop_oneof![
        (0_u64..20_000).prop_map(Step::Pass), Just(Step::Revoke), Just(Step::Ask), Just(Step::Answer), Just(Step::Fail), Just(Step::Kv), Just(Step::Present)
    ], 1..60)) {
        let mut memory = TrustMemory::default();
        let mut now = T;
        let (mut truth, mut revoked_at) = (snapshot(1, &[1]), None);
        let mut copy = truth.clone();
        let mut on_its_way = Vec::new();
        for step in steps {
            match step {
                Step::Pass(ms) => now = now.plus(ms),
                Step::Revoke if revoked_at.is_none() => {
                    revoked_at = Some(now);
                    copy = truth;
                    truth = snapshot(2, &[]);
                }
                Step::Revoke => {}
                Step::Ask => {
                    memory.ask(now);
                    let held = memory.snapshot().map(|held| held.version);
                    let answer = if held == Some(truth.version) { Answer::Unchanged(truth.version) } else { Answer::Snapshot(truth.clone()) };
                    on_its_way.push((answer, now));
                }
                Step::Answer => if let Some((answer, asked_at)) = on_its_way.pop() {
                    memory.confirm(answer, asked_at);
                },
                Step::Fail => memory.fail(now),
                Step::Kv => memory.fall_back(copy.clone(), now),
                Step::Present => {
                    let admitted = matches!(memory.rule(&key(1), now, now), KeyRuling::Admit(_));
                    let late = revoked_at.is_some_and(|at| now.since(at) > KEYS_LIMIT_MS);
                    prop_assert!(!(admitted && late), "admitted after {:?}", revoked_at.map(|at| now.since(at)));
                }
            }
        }
    }
}
