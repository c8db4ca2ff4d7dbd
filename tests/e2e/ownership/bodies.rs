//! Requests with bodies while their user moves.

use crate::world::{answered_by, cover, person};
use e2e_tests::people::User;
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

const KEPT: usize = 1 << 20;

fn body(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::try_from(state >> 56).unwrap_or_default()
    };
    (0..length).map(|_| next()).collect()
}

pub async fn a_get_with_a_body_is_answered_by_either_side(stack: Arc<Stack>) {
    let user = person(&stack);
    for (covered, backend) in [(vec![], "legacy"), (vec![&user], "container-gateway")] {
        cover(&stack, &covered, true).await;
        answered_by(&stack, &user, backend).await;
        let reply = stack.get("/echo").user(&user).body("question").send().await;
        assert_eq!((reply.status, reply.backend()), (200, backend), "{}", reply.text());
    }
}

async fn sent(stack: &Stack, user: &User, body: Vec<u8>, chunked: bool) -> Reply {
    let call = stack.post("/echo-body").user(user);
    let call = if chunked {
        let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
            body.chunks(8 << 10).map(|piece| Ok(piece.to_vec())).collect();
        call.body(reqwest::Body::wrap_stream(futures_util::stream::iter(pieces)))
    } else {
        call.body(body)
    };
    call.send().await
}

/// Sends bodies of one kind without a pause; how many came back, by backend, and how many were told to come again.
fn sender(
    stack: &Arc<Stack>,
    user: &User,
    over: &Arc<AtomicBool>,
    length: usize,
    chunked: bool,
) -> JoinHandle<(BTreeMap<String, u32>, u32)> {
    let (stack, user, over) = (Arc::clone(stack), user.clone(), Arc::clone(over));
    tokio::spawn(async move {
        let (mut whole, mut later, mut seed) = (BTreeMap::new(), 0, length as u64);
        while !over.load(Ordering::Relaxed) {
            seed += 1;
            let body = body(length, seed);
            let reply = sent(&stack, &user, body.clone(), chunked).await;
            if reply.status == 503 {
                let code = serde_json::from_slice::<Value>(&reply.body).expect("a problem")["code"].clone();
                // It could be sent once only, and met somebody who did not have him.
                let once = code == "user_moving" && (chunked || length > KEPT);
                assert!(once, "{length}: {}", reply.text());
                later += 1;
                continue;
            }
            assert_eq!(reply.status, 200, "{} of {length}: {}", reply.backend(), reply.text());
            assert!(
                reply.body == body,
                "{} bytes came back of {length} by {}",
                reply.body.len(),
                reply.backend()
            );
            *whole.entry(reply.backend().to_owned()).or_insert(0) += 1;
        }
        (whole, later)
    })
}

pub async fn no_byte_is_lost_on_the_way(stack: Arc<Stack>) {
    let user = person(&stack);
    answered_by(&stack, &user, "legacy").await;
    let over = Arc::new(AtomicBool::new(false));
    let kinds = [
        (0, false),
        (1, false),
        (60_000, false),
        (KEPT, false),
        (KEPT + 1, false),
        (60_000, true),
    ];
    let senders = kinds.map(|(length, chunked)| sender(&stack, &user, &over, length, chunked));
    for _ in 0..2 {
        cover(&stack, &[&user], false).await;
        answered_by(&stack, &user, "container-gateway").await;
        cover(&stack, &[], true).await;
        answered_by(&stack, &user, "legacy").await;
    }
    over.store(true, Ordering::Relaxed);
    for (sender, (length, chunked)) in senders.into_iter().zip(kinds) {
        let (whole, later) = sender.await.expect("every body came back whole");
        println!("{length} bytes, chunked {chunked}: {whole:?} whole, {later} to be sent again");
        assert!(whole.len() == 2, "{length}: not by both sides: {whole:?}");
    }
}
