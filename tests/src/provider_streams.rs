//! Streams of a provider as a sandbox sees them: how late each token is, and many at once.

use crate::people::User;
use crate::provider_calls::provider_url;
use crate::stack::Stack;
use crate::transfer;
use serde_json::{Value, json};

/// Growth of workerd that many streams may bring about.
const MOST_GROWTH: u64 = 64 * 1024 * 1024;
/// What workerd may take for each stream that is open, bytes.
const OF_A_STREAM: u64 = 2 * 1024 * 1024;
/// Seconds that the slowest may take.
const LIMIT_S: u32 = 200;

/// How long after it was sent each token of paced streams was there, in microseconds and in their order: the sandbox has the same clock. One stream
/// after the other, so many times.
///
/// # Panics
/// When a stream fails.
pub async fn delays(stack: &Stack, user: &User, token: &str, times: u32, body: &Value) -> Vec<u64> {
    // perl is part of every Debian; it reads the time as soon as a line is there.
    let reader = r#"use Time::HiRes "time"; while (<STDIN>) { print int(time * 1e6) - $1, "\n" if /"(?:content|text)":"(\d{16})/ }"#;
    let command = format!(
        "for n in $(seq {times}); do curl -sS -N -m {LIMIT_S} -H \"Authorization: Bearer $TOKEN\" -H 'content-type: application/json' --data-binary \"$BODY\" '{}' | perl -e '{reader}' || exit; done",
        provider_url("/openai/v1/chat/completions")
    );
    let asked = json!({"command": command, "env": {"TOKEN": token, "BODY": body.to_string()}, "timeoutMs": 300_000});
    let done = stack.exec(user, &asked).await;
    assert_eq!(done["exitCode"], 0, "{done}");
    let lines = done["stdout"].as_str().expect("text").lines();
    lines.map(|line| line.parse().unwrap_or(0)).collect()
}

/// So many streams of so many bytes each at once, read at a megabyte a second at first, so that everything on the way fills up: all arrive whole,
/// and workerd stays small.
///
/// # Panics
/// When it is not so.
pub async fn many(stack: &Stack, user: &User, token: &str, count: u64, bytes: u64) {
    let run = async |bytes: u64, limit: &str| {
        let body = json!({"model": format!("big-{bytes}"), "stream": true, "user": "many"});
        let command = format!(
            "curl -sS -Z --parallel-immediate --parallel-max {count} -m {LIMIT_S} {limit} -H \"Authorization: Bearer $TOKEN\" \
             -H 'content-type: application/json' --data-binary \"$BODY\" -o /dev/null -w '%{{http_code}} %{{size_download}}\\n' '{}?n=[1-{count}]'",
            provider_url("/openai/v1/chat/completions")
        );
        let asked = json!({
            "command": command, "env": {"TOKEN": token, "BODY": body.to_string()}, "timeoutMs": u64::from(LIMIT_S) * 1_000,
        });
        let done = stack.exec(user, &asked).await;
        assert_eq!(done["exitCode"], 0, "{done}");
        let lines: Vec<String> = done["stdout"]
            .as_str()
            .expect("text")
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(lines.len() as u64, count, "{done}");
        for line in lines {
            let (status, size) = line.split_once(' ').expect("two words");
            let whole = size.parse::<u64>().is_ok_and(|size| size > bytes);
            assert!(status == "200" && whole, "{line}");
        }
    };
    // So many streams at once have their price (a buffer each, the runtime's own, and what its allocator and collector let lie), which two rounds show;
    // what passes through them must not add to it.
    let price = MOST_GROWTH + count * OF_A_STREAM;
    for time in ["first", "second"] {
        let slowly = run(bytes, "--limit-rate 1M");
        transfer::beside(
            stack,
            &format!("{count} streams, slowly, the {time} time"),
            price,
            slowly,
        )
        .await;
    }
    let again = run(bytes, "--limit-rate 1M");
    transfer::beside(stack, &format!("{count} streams, slowly again"), MOST_GROWTH, again).await;
    transfer::beside(stack, &format!("{count} streams"), MOST_GROWTH, run(bytes, "")).await;
}

/// Median, 99th of a hundred and longest.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn spread(mut delays: Vec<u64>) -> (u64, u64, u64) {
    delays.sort_unstable();
    let last = delays.len() - 1;
    (delays[last / 2], delays[last * 99 / 100], delays[last])
}
