//! A runtime may close a socket that an object holds outwards when streamed bodies drain beside it (cloudflare/workerd#6774: 1005 after one to two seconds).
//! Ours pass through the object; this is that pattern.

use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SOCKETS: usize = 5;
const STREAMS: usize = 6;
/// Longer than the reported time, many times over.
const TIME: Duration = Duration::from_secs(12);
const BODY_BYTES: usize = 1 << 20;

/// Streamed answers and bodies, one after the other, until the time is over. How many.
async fn streams(stack: &Stack, user: &User, until: Instant) -> usize {
    let mut drained = 0;
    while Instant::now() < until {
        let down = stack.get("/stream?n=20&ms=20").user(user).send().await;
        assert_eq!(down.status, 200);
        let up = stack
            .post("/echo-body")
            .user(user)
            .body(vec![7; BODY_BYTES])
            .send()
            .await;
        assert_eq!((up.status, up.body.len()), (200, BODY_BYTES));
        drained += 2;
    }
    drained
}

pub async fn a_socket_stays_while_streams_drain_beside_it(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let mut sockets = join_all((0..SOCKETS).map(|_| stack.socket(&user))).await;
    let until = Instant::now() + TIME;
    let drained = join_all((0..STREAMS).map(|_| streams(&stack, &user, until)));
    let talk = async {
        let mut round = 0;
        while Instant::now() < until {
            round += 1;
            join_all(
                sockets
                    .iter_mut()
                    .map(|socket| async { socket.echoes(&format!("round {round}")).await }),
            )
            .await;
        }
        round
    };
    let (drained, rounds) = tokio::join!(drained, talk);
    let drained: usize = drained.into_iter().sum();
    // And a while after the last one, in which nothing is sent.
    e2e_tests::wait::repeatedly(3, Duration::from_secs(1), async |_| {}).await;
    join_all(
        sockets
            .iter_mut()
            .map(|socket| async { socket.echoes("still here").await }),
    )
    .await;
    assert!(
        drained >= STREAMS * 2 && rounds > 10,
        "{drained} streams, {rounds} rounds"
    );
    println!("{drained} streams drained beside {SOCKETS} sockets in {rounds} rounds");
}
