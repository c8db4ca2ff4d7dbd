//! The statements against SQLite, and many at once against a budget: the object runs each admission as one transaction, in whatever order they come.

use super::admission::{Counts, Decision, LONGEST_CALL_MS, Limits, MINUTE_MS, decide};
use super::call::Addition;
use super::tables::{ADD, BEGIN, COUNT, COUNTS, END, FORGET, RAN, SCHEMA, STORED, SWEEP, UNDER_WAY, counts, sweep};
use molt_common::time::Millis;
use molt_common::usage::day::{DAY_MS, Day};
use molt_common::usage::{Budget, CallUsage, Tokens};
use proptest::prelude::*;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};

const NOON: u64 = 20_000 * DAY_MS + DAY_MS / 2;

struct Object(Connection);

impl Object {
    fn new() -> Self {
        let sql = Connection::open_in_memory().unwrap();
        sql.execute_batch(SCHEMA).unwrap();
        Self(sql)
    }

    fn counts(&self, generation: u64, call: &str, now: Millis) -> Counts {
        let [today, month, next_month, minute, longest] = counts(now);
        let values = params![today, month, next_month, minute, longest, generation, call];
        self.0
            .query_row(COUNTS, values, |row| {
                Ok(Counts {
                    requests_today: row.get("requests_today")?,
                    tokens_today: row.get("tokens_today")?,
                    tokens_month: row.get("tokens_month")?,
                    in_minute: row.get("in_minute")?,
                    minute_began: row.get("minute_began")?,
                    under_way: row.get("under_way")?,
                    known: row.get("known")?,
                })
            })
            .unwrap()
    }

    fn admit(&self, budget: &Budget, limits: Limits, generation: u64, call: &str, now: Millis) -> Decision {
        self.0.execute(SWEEP, sweep(now)).unwrap();
        let decision = decide(budget, limits, &self.counts(generation, call, now), now);
        if matches!(decision, Decision::Admit { .. }) {
            let day = Day::of(now).0;
            self.0
                .execute(BEGIN, params![call, generation, "p", 0, day, now.0])
                .unwrap();
            self.0.execute(COUNT, params![day, "p", 0]).unwrap();
        }
        decision
    }

    fn finish(&self, call: &str, usage: &CallUsage) -> bool {
        let found: Option<(String, u64, u64)> = self
            .0
            .query_row(UNDER_WAY, [call], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()
            .unwrap();
        let Some((provider, own_key, day)) = found else {
            return false;
        };
        let add = Addition::of(usage, &[]);
        self.0.execute(END, [call]).unwrap();
        let values = params![
            day,
            provider,
            own_key,
            add.failed,
            add.request_bytes,
            add.answer_bytes,
            add.stated,
            add.tokens.input,
            add.tokens.cached_input,
            add.tokens.output,
            add.priced,
            add.nano_usd
        ];
        assert_eq!(self.0.execute(ADD, values).unwrap(), 1);
        true
    }

    fn number(&self, query: &str) -> u64 {
        self.0.query_row(query, [], |row| row.get(0)).unwrap()
    }
}

fn used(tokens: u64) -> CallUsage {
    CallUsage {
        status: Some(200),
        complete: true,
        tokens: Some(Tokens {
            input: tokens,
            cached_input: 0,
            output: 0,
        }),
        ..CallUsage::default()
    }
}

fn requests(most: u64) -> Budget {
    Budget {
        requests_per_day: Some(most),
        ..Budget::default()
    }
}

const WIDE: Limits = Limits {
    per_minute: u64::MAX,
    at_once: u64::MAX,
};

#[test]
fn a_budget_counts_anew_with_the_day() {
    let object = Object::new();
    let admitted = |call: &str, now| {
        matches!(
            object.admit(&requests(2), WIDE, 1, call, Millis(now)),
            Decision::Admit { .. }
        )
    };
    let midnight = Day::of(Millis(NOON)).next().start().0;
    assert!(admitted("a", midnight - 2) && admitted("b", midnight - 1) && !admitted("c", midnight - 1));
    assert!(admitted("d", midnight) && admitted("e", midnight) && !admitted("f", midnight));
    // What was refused was not counted.
    assert_eq!(object.number("SELECT SUM(requests) FROM usage_days"), 4);
}

#[test]
fn tokens_count_for_the_day_and_month_in_which_the_call_began() {
    let object = Object::new();
    let first_of_march = Day::parse("2026-03-01").unwrap().start();
    let last_night = Millis(first_of_march.0 - 1);
    assert!(matches!(
        object.admit(&Budget::default(), WIDE, 1, "a", last_night),
        Decision::Admit { .. }
    ));
    assert!(object.finish("a", &used(70)));
    let then = object.counts(1, "-", last_night);
    assert_eq!((then.tokens_today, then.tokens_month), (70, 70));
    let now = object.counts(1, "-", first_of_march);
    assert_eq!((now.tokens_today, now.tokens_month), (0, 0));
    let daily = Budget {
        tokens_per_day: Some(70),
        ..Budget::default()
    };
    assert!(matches!(
        object.admit(&daily, WIDE, 1, "b", last_night),
        Decision::Refuse(_)
    ));
    assert!(matches!(
        object.admit(&daily, WIDE, 1, "b", first_of_march),
        Decision::Admit { .. }
    ));
}

#[test]
fn what_never_ended_stops_to_be_under_way_after_an_hour_and_with_its_start() {
    let object = Object::new();
    let limits = Limits { at_once: 1, ..WIDE };
    let admit = |generation, call: &str, now| object.admit(&Budget::default(), limits, generation, call, Millis(now));
    assert!(matches!(admit(1, "a", NOON), Decision::Admit { .. }));
    assert!(matches!(admit(1, "b", NOON + LONGEST_CALL_MS - 1), Decision::Refuse(_)));
    assert!(matches!(admit(2, "b", NOON + 1), Decision::Admit { .. }));
    assert!(matches!(admit(1, "c", NOON + LONGEST_CALL_MS), Decision::Admit { .. }));
    // It was a request all the same, and its end comes too late.
    assert_eq!(object.number("SELECT SUM(requests) FROM usage_days"), 3);
    assert!(!object.finish("a", &used(1)) && object.finish("c", &used(1)) && !object.finish("c", &used(1)));
    assert_eq!(object.number("SELECT SUM(input_tokens) FROM usage_days"), 1);
}

#[test]
fn every_change_of_a_row_is_a_new_version_and_old_days_go_once_they_were_told() {
    let object = Object::new();
    let version = || object.number("SELECT version FROM usage_days");
    object.admit(&Budget::default(), WIDE, 1, "a", Millis(NOON));
    assert_eq!(version(), 1);
    object.admit(&Budget::default(), WIDE, 1, "b", Millis(NOON));
    object.finish("a", &used(1));
    assert_eq!(version(), 3);
    let day = Day::of(Millis(NOON)).0;
    for ms in [5, 7] {
        object.0.execute(RAN, params![day, 1, ms]).unwrap();
    }
    assert_eq!(object.number("SELECT ms * 10 + version FROM container_days"), 122);
    for forget in FORGET {
        object.0.execute(forget, [day + 1]).unwrap();
    }
    assert_eq!(object.number("SELECT COUNT(*) FROM usage_days"), 1);
    object.0.execute("UPDATE usage_days SET told = version", []).unwrap();
    object.0.execute(FORGET[0], [day]).unwrap();
    assert_eq!(object.number("SELECT COUNT(*) FROM usage_days"), 1);
    object.0.execute(FORGET[0], [day + 1]).unwrap();
    assert_eq!(object.number("SELECT COUNT(*) FROM usage_days"), 0);
}

#[test]
fn storage_is_noted_when_it_changes() {
    let object = Object::new();
    let note = |day: u32, bytes: u64| object.0.execute(STORED, params![day, bytes]).unwrap();
    assert_eq!(note(10, 0), 0);
    assert_eq!(
        (note(10, 5), note(10, 5), note(11, 5), note(12, 6), note(12, 7)),
        (1, 0, 0, 1, 1)
    );
    assert_eq!(note(13, 0), 1);
    assert_eq!(object.number("SELECT COUNT(*) FROM storage_days"), 3);
    assert_eq!(
        object.number("SELECT bytes * 10 + version FROM storage_days WHERE day = 12"),
        72
    );
}

#[derive(Clone, Debug)]
enum Act {
    Ask(u8),
    End(u8),
    Restart,
    Pass(u64),
    Allow(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => any::<u8>().prop_map(Act::Ask),
        4 => any::<u8>().prop_map(Act::End),
        1 => Just(Act::Restart),
        2 => prop_oneof![0_u64..2_000, 0..MINUTE_MS * 2, 0..LONGEST_CALL_MS * 2, Just(DAY_MS)].prop_map(Act::Pass),
        1 => (0_u64..20).prop_map(Act::Allow),
    ];
    prop::collection::vec(act, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Many ask at once: exactly as many as the budget says get through, whatever the order and however many ask twice.
    #[test]
    fn a_budget_of_n_admits_exactly_n(n in 0_u64..40, calls in prop::collection::vec(0_u8..120, 0..240)) {
        let object = Object::new();
        let mut admitted = BTreeSet::new();
        for call in &calls {
            match object.admit(&requests(n), WIDE, 1, &call.to_string(), Millis(NOON)) {
                Decision::Admit { .. } => prop_assert!(admitted.insert(*call)),
                Decision::Again => prop_assert!(admitted.contains(call)),
                Decision::Refuse(problem) => prop_assert_eq!(problem.status, 402),
            }
        }
        let asked = calls.iter().collect::<BTreeSet<_>>().len() as u64;
        prop_assert_eq!(admitted.len() as u64, asked.min(n));
        prop_assert_eq!(object.number("SELECT COALESCE(SUM(requests), 0) FROM usage_days"), asked.min(n));
    }

    /// Any history of calls, ends, restarts and time, against a plain account of it.
    #[test]
    fn counters_are_those_of_a_plain_account(acts in acts()) {
        let object = Object::new();
        let limits = Limits { per_minute: 15, at_once: 6 };
        let (mut now, mut generation, mut budget, mut names) = (NOON, 1_u64, requests(10), 0_u32);
        // Admitted: name, start, when, whether it ended.
        let mut calls: Vec<(String, u64, u64, bool)> = Vec::new();
        let (mut per_day, mut tokens) = (BTreeMap::<u32, u64>::new(), 0);
        for act in acts {
            match act {
                Act::Ask(again) => {
                    let recent: Vec<&String> = calls.iter().filter(|call| now - call.2 < MINUTE_MS).map(|call| &call.0).collect();
                    let repeated = (again % 5 == 0).then(|| recent.get(again as usize / 5).map(|name| (*name).clone())).flatten();
                    names += 1;
                    let name = repeated.clone().unwrap_or_else(|| names.to_string());
                    let today = Day::of(Millis(now)).0;
                    let in_minute = recent.len() as u64;
                    let under_way = calls.iter().filter(|call| call.1 == generation && !call.3 && now - call.2 < LONGEST_CALL_MS).count() as u64;
                    let spent = per_day.get(&today).copied().unwrap_or(0);
                    let expected = if repeated.is_some() {
                        0
                    } else if spent >= budget.requests_per_day.unwrap_or(u64::MAX) {
                        402
                    } else if under_way >= limits.at_once || in_minute >= limits.per_minute {
                        429
                    } else {
                        200
                    };
                    let told = match object.admit(&budget, limits, generation, &name, Millis(now)) {
                        Decision::Again => 0,
                        Decision::Admit { .. } => 200,
                        Decision::Refuse(problem) => {
                            prop_assert!(problem.retry_after.is_some());
                            problem.status
                        }
                    };
                    prop_assert_eq!(told, expected);
                    if told == 200 {
                        *per_day.entry(today).or_default() += 1;
                        calls.push((name, generation, now, false));
                    }
                }
                Act::End(which) if !calls.is_empty() => {
                    let index = which as usize % calls.len();
                    let (name, _, at, ended) = calls[index].clone();
                    let counted = object.finish(&name, &used(3));
                    // One that is over an hour old may have been forgotten, and then is not counted.
                    prop_assert!(!counted || !ended);
                    prop_assert!(counted || ended || now - at >= LONGEST_CALL_MS);
                    tokens += if counted { 3 } else { 0 };
                    calls[index].3 = true;
                }
                Act::End(_) => {}
                Act::Restart => generation += 1,
                Act::Pass(ms) => now += ms,
                Act::Allow(most) => budget = requests(most),
            }
        }
        prop_assert_eq!(object.number("SELECT COALESCE(SUM(requests), 0) FROM usage_days"), per_day.values().sum::<u64>());
        prop_assert_eq!(object.number("SELECT COALESCE(SUM(input_tokens), 0) FROM usage_days"), tokens);
        prop_assert_eq!(object.number("SELECT COUNT(*) FROM usage_days WHERE ended > requests"), 0);
        // What is kept of single calls stays small.
        prop_assert!(object.number("SELECT COUNT(*) FROM provider_calls") <= 15 * 60 + 6 * generation);
    }
}
