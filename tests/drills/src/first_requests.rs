//! Two hundred first requests at once, ten times: pages, questions, bodies and sockets. Each time one container, one generation, and an answer for each.

use e2e_tests::drill;
use e2e_tests::stack::Stack;
use std::process::ExitCode;
use std::time::Instant;

const ROUNDS: u32 = 10;
const REQUESTS: u32 = 200;

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
    stack.first_requests(&user, REQUESTS).await;
    let took = begun.elapsed();
    stack.engine.only(&user).await;
    assert_eq!(stack.generation(&user).await, 1);
    println!(
        "round {number}: {REQUESTS} answers, 1 container, generation 1, {} ms",
        took.as_millis()
    );
}
