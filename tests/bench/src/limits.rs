//! What counting costs a request: the same requests on a stack that counts and on one that does not.

use e2e_tests::drill;
use e2e_tests::stack::{Stack, state_dir};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ROUNDS: usize = 600;
/// Where it is counted, and a request that the router answers itself in either case.
const KINDS: [(&str, &str); 2] = [("isolate and KV", "/nothing"), ("object", "/login")];

/// Median of `ROUNDS` requests one after another.
async fn median(stack: &Stack, path: &str) -> Duration {
    let mut times = Vec::with_capacity(ROUNDS);
    // The first ones open connections and start isolates.
    for round in 0..ROUNDS + 50 {
        let begun = Instant::now();
        let reply = stack.get(path).send().await;
        assert!(matches!(reply.status, 200 | 401), "{} {}", reply.status, reply.text());
        if round >= 50 {
            times.push(begun.elapsed());
        }
    }
    times.sort_unstable();
    times.get(ROUNDS / 2).copied().unwrap_or_default()
}

async fn medians(limits: &str) -> Vec<Duration> {
    let var = format!("router.LIMITS={limits}");
    let folder = state_dir().expect("a folder");
    let stack = Stack::start(&["--var", &var], &folder).await;
    let stack = stack.unwrap_or_else(|error| panic!("{error}"));
    let mut medians = Vec::new();
    for (_, path) in KINDS {
        medians.push(median(&stack, path).await);
    }
    stack.stop().await.assert_clean();
    medians
}

fn main() -> ExitCode {
    drill::run_alone("limits", async || {
        let without = medians("page=off;login=off").await;
        let with = medians("test").await;
        println!("| counted in | not counted | counted | ratio |\n|---|---|---|---|");
        for (((kind, _), without), with) in KINDS.iter().zip(without).zip(with) {
            let (without, with) = (without.as_secs_f64() * 1e3, with.as_secs_f64() * 1e3);
            println!("| {kind} | {without:.2} ms | {with:.2} ms | {:.2} |", with / without);
        }
    })
}
