//! Fifty first requests at once, ten times: each time one container, one generation, fifty answers.

use e2e_tests::drill;
use e2e_tests::sandbox::Seen;
use e2e_tests::stack::Stack;
use futures_util::future::join_all;
use std::process::ExitCode;
use std::time::Instant;

const ROUNDS: u32 = 10;
const REQUESTS: u32 = 50;

fn main() -> ExitCode {
    drill::run("first-requests", &[], async |stack| {
        for number in 1..=ROUNDS {
            round(stack, number).await;
        }
    })
}

async fn round(stack: &Stack, number: u32) {
    let user = stack.new_user().await;
    let begun = Instant::now();
    let replies = join_all((0..REQUESTS).map(|_| stack.get("/echo").user(&user).send())).await;
    for reply in replies {
        assert_eq!(Seen::from(reply).header("x-openclaw-user"), Some(user.id.as_str()));
    }
    let took = begun.elapsed();
    stack.engine.only(&user).await;
    assert_eq!(stack.generation(&user).await, 1);
    println!(
        "round {number}: {REQUESTS} answers, 1 container, generation 1, {} ms",
        took.as_millis()
    );
}
