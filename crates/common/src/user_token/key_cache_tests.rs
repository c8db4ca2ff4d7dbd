//! Examples, and a random history of requests and outages against the promises of the module.

use super::{Decision, FETCH_LIMIT_MS, INTERVAL_MS, KEPT_MS, KeyCache, MISSING_MS, MOST_MISSING, RETRY_MS, Reason};
use crate::time::Millis;
use crate::user_token::KeySet;
use proptest::prelude::*;
use serde_json::json;

const FRESH: u64 = 600_000;
const START: Millis = Millis(1_800_000_000_000);

fn set(kids: &[&str]) -> KeySet {
    let key = |kid: &&str| json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": "A".repeat(43), "y": "A".repeat(43)});
    KeySet::parse(
        json!({"keys": kids.iter().map(key).collect::<Vec<_>>()})
            .to_string()
            .as_bytes(),
    )
    .unwrap()
}

fn holding(kids: &[&str], at: Millis) -> KeyCache {
    let mut cache = KeyCache::new(FRESH);
    cache.begin(Reason::None, at);
    cache.succeed(set(kids), kids[0], at);
    cache
}

fn renews(decision: &Decision) -> Option<bool> {
    match decision {
        Decision::Use { renew, .. } => Some(*renew),
        _ => None,
    }
}

#[test]
fn the_first_requests_share_one_fetch() {
    let mut cache = KeyCache::new(FRESH);
    assert_eq!(cache.decide("a", START), Decision::Fetch(Reason::None));
    cache.begin(Reason::None, START);
    for kid in ["a", "b"] {
        assert_eq!(cache.decide(kid, START.plus(10)), Decision::Wait);
    }
    cache.succeed(set(&["a"]), "a", START.plus(20));
    assert_eq!(renews(&cache.decide("a", START.plus(20))), Some(false));
}

#[test]
fn a_fetch_that_was_lost_with_its_request_is_made_again() {
    let mut cache = KeyCache::new(FRESH);
    cache.begin(Reason::None, START);
    assert_eq!(cache.decide("a", START.plus(FETCH_LIMIT_MS - 1)), Decision::Wait);
    assert_eq!(
        cache.decide("a", START.plus(FETCH_LIMIT_MS)),
        Decision::Fetch(Reason::None)
    );
}

#[test]
fn without_any_keys_a_failure_is_told_and_soon_tried_again() {
    let mut cache = KeyCache::new(FRESH);
    cache.begin(Reason::None, START);
    cache.fail(START);
    assert_eq!(cache.decide("a", START.plus(1)), Decision::Unavailable(5));
    assert_eq!(cache.decide("a", START.plus(RETRY_MS - 1)), Decision::Unavailable(1));
    assert_eq!(cache.decide("a", START.plus(RETRY_MS)), Decision::Fetch(Reason::None));
}

#[test]
fn keys_are_renewed_behind_a_request_and_used_for_a_day_while_that_fails() {
    let mut cache = holding(&["a"], START);
    assert_eq!(renews(&cache.decide("a", START.plus(FRESH - 1))), Some(false));
    let mut now = START.plus(FRESH);
    while now.since(START) < KEPT_MS {
        assert_eq!(renews(&cache.decide("a", now)), Some(true));
        cache.begin(Reason::Renew, now);
        assert_eq!(renews(&cache.decide("a", now.plus(1))), Some(false), "one at a time");
        cache.fail(now.plus(2));
        assert_eq!(renews(&cache.decide("a", now.plus(INTERVAL_MS - 1))), Some(false));
        now = now.plus(INTERVAL_MS);
    }
    assert_eq!(cache.decide("a", START.plus(KEPT_MS)), Decision::Fetch(Reason::None));
}

#[test]
fn a_new_key_is_found_at_once_and_nonsense_costs_one_fetch_a_minute() {
    let mut cache = holding(&["a"], START);
    let now = START.plus(1);
    assert_eq!(cache.decide("b", now), Decision::Fetch(Reason::UnknownKey));
    cache.begin(Reason::UnknownKey, now);
    assert_eq!(cache.decide("c", now), Decision::Wait, "the same fetch may bring it");
    assert_eq!(
        renews(&cache.decide("a", now)),
        Some(false),
        "a known key waits for nobody"
    );
    cache.succeed(set(&["a", "b"]), "b", now);
    assert!(renews(&cache.decide("b", now)).is_some());
    assert_eq!(cache.decide("c", now), Decision::Unknown);
    assert_eq!(
        cache.decide("c", now.plus(INTERVAL_MS)),
        Decision::Fetch(Reason::UnknownKey)
    );
}

#[test]
fn an_id_that_was_not_found_does_not_use_up_the_next_search() {
    let mut cache = holding(&["a"], START);
    cache.begin(Reason::UnknownKey, START);
    cache.succeed(set(&["a"]), "old", START);
    let later = START.plus(INTERVAL_MS);
    assert_eq!(cache.decide("old", later), Decision::Unknown);
    assert_eq!(cache.decide("new", later), Decision::Fetch(Reason::UnknownKey));
    assert_eq!(
        cache.decide("old", START.plus(MISSING_MS)),
        Decision::Fetch(Reason::UnknownKey)
    );
    for number in 0..200 {
        cache.succeed(set(&["a"]), &format!("n{number}"), START);
    }
    assert_eq!(cache.missing.len(), MOST_MISSING);
    // Once it is there it is used, whatever was remembered.
    cache.succeed(set(&["a", "n199"]), "a", START.plus(1));
    assert!(renews(&cache.decide("n199", START.plus(2))).is_some());
}

#[test]
fn a_search_that_failed_leaves_the_question_open() {
    let mut cache = holding(&["a"], START);
    cache.begin(Reason::UnknownKey, START);
    cache.fail(START.plus(1));
    assert_eq!(cache.decide("b", START.plus(2)), Decision::Unavailable(60));
    assert!(renews(&cache.decide("a", START.plus(2))).is_some());
}

#[test]
fn a_search_that_was_lost_leaves_the_question_open() {
    let mut cache = holding(&["a"], START);
    cache.begin(Reason::UnknownKey, START);
    let lost = START.plus(FETCH_LIMIT_MS);
    assert_eq!(cache.decide("b", lost), Decision::Unavailable(57));
    assert!(renews(&cache.decide("a", lost)).is_some());
    assert_eq!(
        cache.decide("b", START.plus(INTERVAL_MS)),
        Decision::Fetch(Reason::UnknownKey)
    );
}

#[test]
fn a_withdrawn_key_is_gone_with_the_set() {
    let mut cache = holding(&["a", "b"], START);
    cache.begin(Reason::Renew, START.plus(FRESH));
    cache.succeed(set(&["b"]), "b", START.plus(FRESH));
    assert_eq!(
        cache.decide("a", START.plus(FRESH)),
        Decision::Fetch(Reason::UnknownKey)
    );
}

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes.
    Pass(u64),
    /// A request with a token that names the key of this number.
    Ask(u8),
    /// The fetch that is under way ends; whether the issuer answers.
    End(bool),
    /// The fetch that is under way is never heard of again.
    Lose,
    /// The issuer signs with another key from now on.
    Rotate,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![0..200u64, 0..70_000u64, 0..90_000_000u64].prop_map(Step::Pass),
        8 => (0..6u8).prop_map(Step::Ask),
        4 => any::<bool>().prop_map(Step::End),
        1 => Just(Step::Lose),
        1 => Just(Step::Rotate),
    ]
}

proptest! {
    #[test]
    fn the_promises_hold_in_every_history(steps in proptest::collection::vec(step(), 1..200)) {
        let mut cache = KeyCache::new(FRESH);
        let mut now = START;
        let mut published = 0u8;
        let mut under_way: Option<(Millis, String)> = None;
        let mut fetched_at: Option<Millis> = None;
        let mut fetched = Vec::new();
        let (mut searches, mut attempts) = (Vec::new(), Vec::<Millis>::new());
        for step in steps {
            match step {
                Step::Pass(ms) => now = now.plus(ms),
                Step::Rotate => published = (published + 1) % 6,
                Step::Lose => under_way = None,
                Step::End(answers) => {
                    let Some((_, kid)) = under_way.take() else { continue };
                    if answers {
                        fetched = vec![format!("k{published}"), format!("k{}", (published + 5) % 6)];
                        cache.succeed(set(&fetched.iter().map(String::as_str).collect::<Vec<_>>()), &kid, now);
                        fetched_at = Some(now);
                    } else {
                        cache.fail(now);
                    }
                }
                Step::Ask(number) => {
                    let kid = format!("k{number}");
                    let usable = fetched_at.is_some_and(|at| now.since(at) < KEPT_MS);
                    let known = usable && fetched.contains(&kid);
                    let decision = cache.decide(&kid, now);
                    let reason = match &decision {
                        Decision::Use { key, renew } => {
                            prop_assert!(known && key.kid == kid);
                            renew.then_some(Reason::Renew)
                        }
                        Decision::Fetch(reason) => Some(*reason),
                        _ => None,
                    };
                    // A key that is held is used, whatever else happens.
                    prop_assert_eq!(known, renews(&decision).is_some());
                    // Nobody is turned away for good before anybody has asked.
                    prop_assert!(decision != Decision::Unknown || usable);
                    if decision == Decision::Wait {
                        prop_assert!(attempts.last().is_some_and(|at| now.since(*at) < FETCH_LIMIT_MS));
                    }
                    let Some(reason) = reason else { continue };
                    // One at a time, as long as it may still be alive.
                    if let Some((begun, _)) = &under_way {
                        prop_assert!(now.since(*begun) >= FETCH_LIMIT_MS);
                    }
                    match reason {
                        Reason::UnknownKey => {
                            prop_assert!(searches.last().is_none_or(|at: &Millis| now.since(*at) >= INTERVAL_MS));
                            searches.push(now);
                        }
                        Reason::Renew => {
                            prop_assert!(attempts.last().is_none_or(|at| now.since(*at) >= INTERVAL_MS));
                            prop_assert!(fetched_at.is_some_and(|at| now.since(at) >= FRESH));
                        }
                        Reason::None => prop_assert!(!usable),
                    }
                    attempts.push(now);
                    cache.begin(reason, now);
                    under_way = Some((now, kid));
                }
            }
        }
    }
}
