use super::{Author, Chain, Change, Entry, Head, Walk};
use crate::id::UserId;
use crate::time::Millis;
use proptest::prelude::*;
use serde_json::json;

fn user(last: u8) -> UserId {
    UserId::parse(&format!("0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a{last:02x}")).unwrap()
}

fn chain_of(chain: Chain, words: &[(String, String)]) -> Vec<Entry> {
    let mut head = Head::start();
    let mut entries = Vec::new();
    for (at, (action, target)) in words.iter().enumerate() {
        let author = Author {
            actor: "bootstrap".into(),
            request_id: format!("req_{at}"),
        };
        let entry = head.next(
            chain,
            &Change {
                at: Millis(at as u64),
                author: &author,
                action,
                target,
                detail: &json!({"n": at}),
            },
        );
        head = entry.head();
        entries.push(entry);
    }
    entries
}

/// The first entry that a walk over all of them does not accept.
fn broken_at(chain: Chain, entries: &[Entry]) -> Option<u64> {
    let mut walk = Walk::behind(chain, Head::start());
    entries
        .iter()
        .find_map(|entry| walk.step(entry).err())
        .map(|broken| broken.seq)
}

fn words() -> impl Strategy<Value = Vec<(String, String)>> {
    proptest::collection::vec((".{0,8}", ".{0,8}"), 2..12)
}

/// Every field of an entry, to be changed one at a time.
fn change(entry: &mut Entry, field: u8, by: &str) {
    match field {
        0 => entry.seq += 1,
        1 => entry.at = entry.at.plus(1),
        2 => entry.actor.push_str(by),
        3 => entry.action.push_str(by),
        4 => entry.target.push_str(by),
        5 => entry.request_id.push_str(by),
        6 => entry.detail.push_str(by),
        7 => entry.previous = format!("{}0", &entry.previous[1..]),
        _ => entry.hash = format!("{}0", &entry.hash[1..]),
    }
}

proptest! {
    #[test]
    fn what_was_written_is_accepted(words in words()) {
        for chain in [Chain::ControlPlane, Chain::Exec(user(1)), Chain::Sandbox(user(1))] {
            prop_assert_eq!(broken_at(chain, &chain_of(chain, &words)), None);
        }
    }

    #[test]
    fn any_change_is_found_where_it_is(words in words(), at in any::<prop::sample::Index>(), field in 0u8..9, by in ".{1,3}") {
        let mut entries = chain_of(Chain::ControlPlane, &words);
        let at = at.index(entries.len());
        let before = entries[at].clone();
        change(&mut entries[at], field, &by);
        prop_assume!(entries[at] != before);
        prop_assert_eq!(broken_at(Chain::ControlPlane, &entries), Some(at as u64 + 1));
    }

    #[test]
    fn moving_text_between_fields_is_found(words in words(), at in any::<prop::sample::Index>()) {
        let mut entries = chain_of(Chain::ControlPlane, &words);
        let at = at.index(entries.len());
        prop_assume!(!entries[at].action.is_empty());
        let moved = entries[at].action.pop().unwrap();
        entries[at].target.insert(0, moved);
        prop_assert_eq!(broken_at(Chain::ControlPlane, &entries), Some(at as u64 + 1));
    }

    #[test]
    fn a_removed_entry_is_missed(words in words(), at in any::<prop::sample::Index>()) {
        let mut entries = chain_of(Chain::ControlPlane, &words);
        // The end that is cut off leaves a sound chain: that is what the copy of the head is for.
        let at = at.index(entries.len() - 1);
        entries.remove(at);
        prop_assert_eq!(broken_at(Chain::ControlPlane, &entries), Some(at as u64 + 1));
        // Renumbering the rest does not help.
        for entry in &mut entries[at..] {
            entry.seq -= 1;
        }
        prop_assert_eq!(broken_at(Chain::ControlPlane, &entries), Some(at as u64 + 1));
    }

    #[test]
    fn another_order_is_found(words in words(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let mut entries = chain_of(Chain::ControlPlane, &words);
        let (a, b) = (a.index(entries.len()), b.index(entries.len()));
        prop_assume!(a != b);
        entries.swap(a, b);
        prop_assert_eq!(broken_at(Chain::ControlPlane, &entries), Some(a.min(b) as u64 + 1));
    }

    #[test]
    fn entries_of_another_chain_do_not_fit(words in words(), at in any::<prop::sample::Index>()) {
        let (ours, other) = (Chain::Exec(user(1)), Chain::Exec(user(2)));
        let mut entries = chain_of(ours, &words);
        let at = at.index(entries.len());
        entries[at] = chain_of(other, &words)[at].clone();
        prop_assert_eq!(broken_at(ours, &entries), Some(at as u64 + 1));
        prop_assert_eq!(broken_at(Chain::Sandbox(user(1)), &chain_of(ours, &words)), Some(1));
    }

    #[test]
    fn a_walk_goes_on_where_another_stopped(words in words(), at in any::<prop::sample::Index>()) {
        let entries = chain_of(Chain::ControlPlane, &words);
        let at = at.index(entries.len());
        let cursor = at.checked_sub(1).map_or_else(Head::start, |last| entries[last].head()).cursor();
        let mut walk = Walk::behind(Chain::ControlPlane, Head::from_cursor(&cursor).unwrap());
        for entry in &entries[at..] {
            prop_assert_eq!(walk.step(entry), Ok(()));
        }
        prop_assert_eq!(walk.head(), &entries.last().unwrap().head());
    }

    #[test]
    fn no_cursor_breaks_anything(text in ".{0,80}") {
        if let Some(head) = Head::from_cursor(&text) {
            prop_assert!(Walk::behind(Chain::ControlPlane, head.clone()).head() == &head);
        }
    }
}

#[test]
fn names_of_chains_go_both_ways() {
    for chain in [Chain::ControlPlane, Chain::Exec(user(1)), Chain::Sandbox(user(2))] {
        assert_eq!(chain.to_string().parse(), Ok(chain));
    }
    for bad in [
        "",
        "control-plane:",
        "exec",
        "exec:",
        "exec:ada",
        "sandbox: x",
        "Control-Plane",
        "x:y",
    ] {
        assert!(bad.parse::<Chain>().is_err(), "{bad}");
    }
}

fn kept(detail: &serde_json::Value) -> String {
    let author = Author {
        actor: "bootstrap".into(),
        request_id: String::new(),
    };
    let change = Change {
        at: Millis(0),
        author: &author,
        action: "a",
        target: "b",
        detail,
    };
    Head::start().next(Chain::ControlPlane, &change).detail
}

#[test]
fn no_credential_is_kept() {
    let key = crate::admin_key::AdminKey::new([0xa1; 8], [0xb2; 32]).reveal();
    // The last one would be cut in two.
    let edge = format!("{}{key}", "x ".repeat(230));
    for command in [
        format!("curl -H 'X-Admin-Secret: {key}' https://x.example"),
        "curl -H 'Authorization: Bearer sk-abcdefghijklmnop1234' https://x.example".into(),
        "DATABASE_PASSWORD=hunter2-and-more ./migrate".into(),
        "psql postgres://app:hunter2-and-more@db.example/app".into(),
        edge,
    ] {
        let kept = kept(&json!({"command": command, "variables": ["TOKEN"], "timeoutMs": 30_000}));
        for secret in ["b2b2b2b2", "sk-abcdef", "hunter2"] {
            assert!(!kept.contains(secret), "{kept}");
        }
        assert!(kept.contains("30000") && kept.contains("[redacted]"), "{kept}");
    }
    assert_eq!(kept(&json!({"command": "ls -l /tmp"})), r#"{"command":"ls -l /tmp"}"#);
}

#[test]
fn long_texts_are_cut_in_a_detail() {
    let detail = json!({"command": "é".repeat(2_000), "list": [{"deep": "x".repeat(2_000)}], "n": 1});
    let kept = kept(&detail);
    assert!(kept.len() < 2_000, "{}", kept.len());
    assert!(kept.contains("\"n\":1"), "{}", kept);
}

#[test]
fn the_encoding_stays_as_it_is() {
    let entries = chain_of(
        Chain::ControlPlane,
        &[("key.created".into(), "0123456789abcdef".into())],
    );
    // Chains that are stored were hashed so; another value here means that they could not be verified any more.
    assert_eq!(
        entries[0].hash,
        "88b6e7df2bfdeaf5898e8e1ebbcee6e8160d442eb91c4fec372e439487369397"
    );
}
