//! What answers say about rate limits, and many requests at once.

use crate::call::Call;
use crate::reply::Reply;
use futures_util::future::join_all;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Header in which the edge names the address of a connection. In development nothing stands in front of the router that would set it.
pub const ADDRESS: &str = "cf-connecting-ip";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An IPv6 network that nobody has come from yet, without its last part: `2001:db8:…::`. Other runs on one stack have others.
///
/// # Panics
/// When the clock stands before 1970.
#[must_use]
pub fn network() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    let run = now.subsec_nanos() & 0xffff;
    format!("2001:db8:{run:x}:{:x}::", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An address that nobody has come from yet.
#[must_use]
pub fn address() -> String {
    format!("{}1", network())
}

/// Makes calls at the same time, each on a connection of its own as far as there are enough; their answers in order.
pub async fn burst<'a>(count: usize, call: impl Fn(usize) -> Call<'a>) -> Vec<Reply> {
    join_all((0..count).map(|index| call(index).send())).await
}

/// What came of a burst.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answers that were not refused for their number.
    pub admitted: usize,
    /// 429.
    pub refused: usize,
    /// 5xx.
    pub failed: usize,
}

/// Counts answers.
#[must_use]
pub fn tally(replies: &[Reply]) -> Tally {
    let mut tally = Tally::default();
    for reply in replies {
        match reply.status {
            429 => tally.refused += 1,
            500.. => tally.failed += 1,
            _ => tally.admitted += 1,
        }
    }
    tally
}

/// What the headers of an answer say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Class.
    pub class: String,
    /// Requests that a window allows.
    pub limit: u32,
    /// Seconds of a window.
    pub window: u32,
    /// Requests that are left.
    pub remaining: u32,
    /// Seconds until there is one more.
    pub reset: u32,
}

/// Reads them; the two families must say the same.
///
/// # Panics
/// When they are missing, malformed, or contradict each other.
#[must_use]
pub fn said(reply: &Reply) -> Said {
    let number = |text: &str| -> u32 { text.parse().unwrap_or_else(|_| panic!("{text:?} is no number")) };
    let parts = |name: &str, first: &str, second: &str| -> (String, u32, u32) {
        let value = reply.header(name);
        let mut parts = value.split(';');
        let class = parts.next().unwrap_or_default().trim_matches('"').to_owned();
        let mut parameter = |key: &str| {
            let text = parts.next().and_then(|part| part.strip_prefix(key));
            number(text.unwrap_or_else(|| panic!("{name}: {value:?} of a {}", reply.status)))
        };
        let numbers = (parameter(first), parameter(second));
        (class, numbers.0, numbers.1)
    };
    let (class, limit, window) = parts("ratelimit-policy", "q=", "w=");
    let (current, remaining, reset) = parts("ratelimit", "r=", "t=");
    assert_eq!(class, current);
    let old = |name: &str| number(reply.header(name));
    assert_eq!(
        (limit, remaining, reset),
        (
            old("x-ratelimit-limit"),
            old("x-ratelimit-remaining"),
            old("x-ratelimit-reset")
        )
    );
    Said {
        class,
        limit,
        window,
        remaining,
        reset,
    }
}

/// A 429 as every client may rely on it: the wait in seconds.
///
/// # Panics
/// When the answer is none.
pub fn refusal(reply: &Reply) -> u32 {
    let body = reply.problem(429, "rate_limited");
    let (said, wait) = (said(reply), reply.header("retry-after").to_owned());
    assert_eq!(body["error"], "Rate limit exceeded");
    assert_eq!((said.remaining, said.reset.to_string()), (0, wait.clone()), "{said:?}");
    assert_eq!(body["retryAfter"].to_string(), wait);
    said.reset
}
