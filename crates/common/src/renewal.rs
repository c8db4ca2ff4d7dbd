//! Renewing a session before its token ends: when it is due, what the identity provider's answer means, and what an isolate remembers so
//! that a burst of requests spends a single-use refresh token once.

use crate::time::Millis;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// A token that ends within this time is renewed by any request.
pub const SOON_MS: u64 = 60_000;
/// One that ends within this time is renewed by a page navigation: the page's sockets live longer then.
pub const SOON_FOR_PAGE_MS: u64 = 300_000;
/// Longest refresh token that is taken, in bytes; sealed it must still fit into a cookie.
pub const LONGEST_REFRESH_TOKEN: usize = 2 * 1024;

/// Whether a token is to be renewed now.
#[must_use]
pub fn is_due(until: Millis, navigation: bool, now: Millis) -> bool {
    let margin = if navigation { SOON_FOR_PAGE_MS } else { SOON_MS };
    until.0 <= now.plus(margin).0
}

/// Whether a text may be a refresh token: it has to pass through a cookie and JSON unchanged.
#[must_use]
pub fn is_refresh_token(text: &str) -> bool {
    (1..=LONGEST_REFRESH_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the provider grants. No `Debug`: both are credentials.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Grant {
    /// New token.
    pub access_token: String,
    /// Next refresh token; the old one stays when it is absent.
    pub refresh_token: Option<String>,
}

/// What came of a renewal.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// New tokens.
    Granted(Grant),
    /// The provider does not know this refresh token any more: the session is over.
    Refused,
    /// No answer that says anything about the session. It is kept.
    Unavailable,
}

impl Outcome {
    /// Reads an answer of the provider's token endpoint. 400 and 403 refuse the token itself (`invalid_grant`). Everything else that is no
    /// grant says something about the provider or our configuration (401 is a wrong API key), which must not sign anybody out.
    #[must_use]
    pub fn of_answer(status: u16, body: &str) -> Self {
        match status {
            200 => match serde_json::from_str::<Grant>(body) {
                Ok(grant) if grant.refresh_token.as_deref().is_none_or(is_refresh_token) => Self::Granted(grant),
                _ => Self::Unavailable,
            },
            400 | 403 => Self::Refused,
            _ => Self::Unavailable,
        }
    }
}

/// How long the outcome of a renewal is remembered: longer than a burst, shorter than anybody would miss a sign-out.
pub const REMEMBERED_MS: u64 = 30_000;
/// After this long an unavailable provider is asked again, so that during its outage not every request waits for it.
pub const UNAVAILABLE_MS: u64 = 5_000;
/// A renewal that has not ended after this long belongs to a request that was abandoned; the next one takes over. Longer than the limit
/// of one call to the provider.
pub const ABANDONED_MS: u64 = 4_000;
const MOST: usize = 1_000;

enum Entry {
    Running(Millis),
    Ended(Millis, Outcome),
}

/// What a request does about a refresh token.
#[derive(PartialEq, Eq)]
pub enum Step {
    /// Ask the provider, and tell [`RenewalMemory::end`] what came of it.
    Ask,
    /// Another request is asking.
    Wait,
    /// It is known already.
    Known(Outcome),
}

/// Outcomes by hash of the refresh token, plain data that no request waits on. Bounded.
#[derive(Default)]
pub struct RenewalMemory {
    entries: HashMap<[u8; 32], Entry>,
}

fn key(refresh_token: &str) -> [u8; 32] {
    Sha256::digest(refresh_token.as_bytes()).into()
}

fn lives(entry: &Entry, now: Millis) -> bool {
    match entry {
        Entry::Running(since) => now.since(*since) < ABANDONED_MS,
        Entry::Ended(at, Outcome::Unavailable) => now.since(*at) < UNAVAILABLE_MS,
        Entry::Ended(at, _) => now.since(*at) < REMEMBERED_MS,
    }
}

impl RenewalMemory {
    /// What to do now. [`Step::Ask`] is answered once until the renewal ends or is given up.
    pub fn begin(&mut self, refresh_token: &str, now: Millis) -> Step {
        let key = key(refresh_token);
        match self.entries.get(&key).filter(|entry| lives(entry, now)) {
            Some(Entry::Running(_)) => Step::Wait,
            Some(Entry::Ended(_, outcome)) => Step::Known(outcome.clone()),
            None => {
                self.insert(key, Entry::Running(now), now);
                Step::Ask
            }
        }
    }

    /// Remembers what came of it.
    pub fn end(&mut self, refresh_token: &str, outcome: Outcome, now: Millis) {
        self.insert(key(refresh_token), Entry::Ended(now, outcome), now);
    }

    fn insert(&mut self, key: [u8; 32], entry: Entry, now: Millis) {
        if self.entries.len() >= MOST {
            self.entries.retain(|_, entry| lives(entry, now));
        }
        // Still full: forgetting is safe, the provider's own reuse interval covers it.
        if self.entries.len() >= MOST {
            self.entries.clear();
        }
        self.entries.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        ABANDONED_MS, Grant, MOST, Outcome, REMEMBERED_MS, RenewalMemory, Step, UNAVAILABLE_MS, is_due,
        is_refresh_token,
    };
    use crate::time::Millis;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn granted() -> Outcome {
        Outcome::Granted(Grant {
            access_token: "a".into(),
            refresh_token: Some("r2".into()),
        })
    }

    #[test]
    fn renewal_is_due_shortly_before_the_end_and_earlier_for_a_page() {
        for (left_ms, page, due) in [
            (60_001, false, false),
            (60_000, false, true),
            (0, false, true),
            (300_001, true, false),
            (300_000, true, true),
            (60_001, true, true),
        ] {
            assert_eq!(is_due(NOW.plus(left_ms), page, NOW), due, "{left_ms} {page}");
        }
        assert!(is_due(Millis(0), false, NOW));
    }

    #[test]
    fn answers_of_the_provider_are_told_apart() {
        let good = r#"{"access_token":"a","refresh_token":"r2","expires_in":3600,"user":{}}"#;
        assert!(Outcome::of_answer(200, good) == granted());
        assert!(matches!(
            Outcome::of_answer(200, r#"{"access_token":"a"}"#),
            Outcome::Granted(_)
        ));
        for status in [400, 403] {
            assert!(Outcome::of_answer(status, r#"{"error":"invalid_grant"}"#) == Outcome::Refused);
        }
        for status in [0, 301, 401, 404, 429, 500, 502, 503] {
            assert!(Outcome::of_answer(status, good) == Outcome::Unavailable, "{status}");
        }
        for body in [
            "",
            "{}",
            "[]",
            "<html>",
            r#"{"access_token":7}"#,
            r#"{"access_token":"a","refresh_token":"x y"}"#,
        ] {
            assert!(Outcome::of_answer(200, body) == Outcome::Unavailable, "{body}");
        }
    }

    #[test]
    fn refresh_tokens_are_plain_and_bounded() {
        assert!(is_refresh_token("v1.Mr4-_/x"));
        for bad in ["", "a b", "a\n", "é", &"x".repeat(2049)] {
            assert!(!is_refresh_token(bad), "{bad}");
        }
    }

    #[test]
    fn a_burst_asks_once() {
        let mut memory = RenewalMemory::default();
        assert!(memory.begin("r1", NOW) == Step::Ask);
        assert!(memory.begin("r1", NOW.plus(1)) == Step::Wait);
        assert!(memory.begin("other", NOW) == Step::Ask);
        memory.end("r1", granted(), NOW.plus(10));
        assert!(memory.begin("r1", NOW.plus(20)) == Step::Known(granted()));
        assert!(
            memory.begin("r1", NOW.plus(10 + REMEMBERED_MS)) == Step::Ask,
            "then it is forgotten"
        );
    }

    #[test]
    fn an_abandoned_renewal_is_taken_over() {
        let mut memory = RenewalMemory::default();
        memory.begin("r1", NOW);
        assert!(memory.begin("r1", NOW.plus(ABANDONED_MS - 1)) == Step::Wait);
        assert!(memory.begin("r1", NOW.plus(ABANDONED_MS)) == Step::Ask);
    }

    #[test]
    fn an_outage_is_remembered_shortly() {
        let mut memory = RenewalMemory::default();
        memory.end("r1", Outcome::Unavailable, NOW);
        assert!(memory.begin("r1", NOW.plus(UNAVAILABLE_MS - 1)) == Step::Known(Outcome::Unavailable));
        assert!(memory.begin("r1", NOW.plus(UNAVAILABLE_MS)) == Step::Ask);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut memory = RenewalMemory::default();
        for n in 0..3 * MOST {
            memory.end(&n.to_string(), Outcome::Refused, NOW);
            assert!(memory.entries.len() <= MOST);
        }
        assert!(memory.begin(&(3 * MOST - 1).to_string(), NOW) == Step::Known(Outcome::Refused));
    }
}
