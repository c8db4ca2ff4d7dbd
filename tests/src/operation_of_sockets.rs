//! What drills and tests do to sockets: in long form there, in short form here.

use crate::edge_watch::EdgeWatch;
use crate::numbered::{Numbered, Spread};
use crate::people::User;
use crate::resuming::{Recovery, Resuming};
use crate::stack::Stack;
use crate::wait::until;
use futures_util::future::join_all;
use molt_common::close_code;
use std::time::{Duration, Instant};

/// Between two messages of a socket.
const PERIOD: Duration = Duration::from_millis(50);
/// Echoes that every socket must hear after each break.
const ECHOES: u64 = 10;
/// A restart of the echo agent.
const RESTART: Duration = Duration::from_secs(60);

/// `count` sockets exchange numbered messages while their connections break `times` times in all the ways there are. The container stays.
///
/// # Panics
/// When a message is lost, doubled or out of order, or a socket is closed.
pub async fn break_and_resume(stack: &Stack, user: &User, count: usize, times: usize) -> Spread {
    let container = stack.engine.only(user).await;
    let numbered = Numbered::start(stack, user, count, PERIOD).await;
    numbered.all_go_on(ECHOES).await;
    let edge = EdgeWatch::start(stack);
    for time in 0..times {
        let (before, begun) = (numbered.recoveries().len(), Instant::now());
        let what = match time % 5 {
            0 => {
                numbered.cut(1).await;
                "all connections are cut"
            }
            1 => {
                stack.replace_worker("container-gateway");
                "the gateway and its objects are replaced"
            }
            2 => {
                stack.kill_runtime();
                "the runtime is killed"
            }
            3 => {
                numbered.cut(2).await;
                "half of the connections are cut"
            }
            _ => {
                stack.replace_worker("router");
                "the router is replaced"
            }
        };
        let broken = if time % 5 == 3 { count.div_ceil(2) } else { count };
        until("the connections were broken and are back", RESTART, async || {
            (numbered.recoveries().len() >= before + broken).then_some(())
        })
        .await;
        numbered.all_go_on(ECHOES).await;
        let recoveries = numbered.recoveries().split_off(0);
        let these: Vec<_> = recoveries
            .into_iter()
            .filter(|recovery| recovery.broke >= begun)
            .collect();
        // What a runtime takes to come back is no client's doing: the rest is ours.
        let away = edge.away(begun).await;
        let late = |recovery: &Recovery| (recovery.broke + recovery.took).saturating_duration_since(away.back);
        let late = these.iter().map(late).max().unwrap_or_default();
        let attempts = these.iter().map(|recovery| recovery.attempt).max().unwrap_or_default();
        println!(
            "{what}: {:?}; the edge was away for {:?} and the last was back {late:?} after it; the longest attempt that succeeded took {attempts:?}",
            Spread::of(&these),
            away.took,
        );
    }
    let spread = Spread::of(&numbered.recoveries());
    let exchanged = numbered.finish().await;
    assert_eq!(stack.engine.only(user).await, container, "the container was left alone");
    println!("{exchanged} messages each way, none lost, none doubled, all in order: {spread:?}");
    spread
}

/// Ends the agent under `count` sockets: each is told why, and has a new socket soon after the agent is ready. How long after that the last one had.
///
/// # Panics
/// When a socket is told nothing, or something that may not be told.
pub async fn restart_agent(stack: &Stack, user: &User, count: usize) -> Duration {
    let numbered = Numbered::start(stack, user, count, PERIOD).await;
    numbered.all_go_on(ECHOES).await;
    // It ends without an answer.
    let _ = stack.post("/crash").user(user).attempt().await;
    let reopened = async {
        for ended in numbered.all_closed().await {
            let (code, reason, retry) = ended.closed.expect("it is told");
            assert_eq!(code, close_code::SERVICE_RESTART, "{reason}");
            assert!(
                reason.contains("started again") && retry.is_some(),
                "{reason} {retry:?}"
            );
        }
        join_all((0..count).map(|_| Resuming::open(stack, user))).await;
        Instant::now()
    };
    let ready = until("the agent is ready", RESTART, async || {
        let answer = stack.get("/echo").user(user).attempt().await.ok()?;
        (answer.status == 200).then(Instant::now)
    });
    let (back, ready) = tokio::join!(reopened, ready);
    let late = back.saturating_duration_since(ready);
    println!("{count} sockets were told, and had new ones {late:?} after the agent was ready");
    late
}
