//! Sockets, plain and resuming, that stay open with traffic, and the memory of what carries them.

use crate::numbered::Numbered;
use crate::people::User;
use crate::processes;
use crate::stack::Stack;
use crate::wait::repeatedly;
use futures_util::future::join_all;
use std::time::Duration;

/// Between two messages of a socket.
const PERIOD: Duration = Duration::from_millis(250);
/// Growth that is no leak: allocators and caches that fill.
const SLACK_KIB: u64 = 24 * 1024;
/// Share of the time after which memory is taken for warmed up.
const WARM: u32 = 4;

/// Resident memory in KiB of what carries the sockets: sandboxd of this user, and the runtimes of the workers.
async fn memory(stack: &Stack, user: &User) -> (u64, u64) {
    let resident = |pid: i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let of = |root: i32, name: &str| -> u64 {
        let tree = processes::tree(root).into_iter();
        tree.filter(|process| process.command.contains(name))
            .map(|process| resident(process.pid))
            .sum()
    };
    let container = stack.engine.only(user).await;
    (
        of(container, "serve"),
        of(stack.ready.process("workers"), "workerd serve"),
    )
}

/// Half of `count` sockets resume, half are plain, for `time`.
///
/// # Panics
/// When a socket ends, a message is lost, or memory grows.
pub async fn run(stack: &Stack, user: &User, count: usize, time: Duration) {
    let resuming = Numbered::start(stack, user, count / 2, PERIOD).await;
    let mut plain = join_all((0..count / 2).map(|_| stack.socket(user))).await;
    let rounds = u32::try_from(time.as_millis() / PERIOD.as_millis()).unwrap_or(u32::MAX);
    let mut warm = (0, 0);
    repeatedly(rounds, PERIOD, async |round| {
        let echoes = plain.iter_mut().enumerate().map(async |(number, socket)| {
            socket.echoes(&format!("socket {number} round {round}")).await;
        });
        join_all(echoes).await;
        if round == rounds / WARM {
            warm = memory(stack, user).await;
        }
    })
    .await;
    let (sandboxd, workers) = memory(stack, user).await;
    assert_eq!(resuming.recoveries().len(), 0, "a connection broke by itself");
    let exchanged = resuming.finish().await;
    println!(
        "{count} sockets for {} s, {exchanged} numbered messages and {} others each way; KiB of sandboxd {} and then {sandboxd}, of the workers {} and then {workers}",
        time.as_secs(),
        u64::from(rounds) * (count as u64 / 2),
        warm.0,
        warm.1,
    );
    assert!(sandboxd > 0 && workers > 0, "they are measured");
    assert!(
        sandboxd <= warm.0 + SLACK_KIB / 4,
        "sandboxd grew from {} to {sandboxd} KiB",
        warm.0
    );
    assert!(
        workers <= warm.1 + SLACK_KIB,
        "the workers grew from {} to {workers} KiB",
        warm.1
    );
}
