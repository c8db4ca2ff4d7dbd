//! A budget of a hundred and three hundred calls at once, five times: exactly a hundred reach the provider, and the others are told why not.

use e2e_tests::drill;
use e2e_tests::provider_stub::ProviderStub;
use e2e_tests::stack::Stack;
use serde_json::json;
use std::process::ExitCode;
use std::time::Instant;

const ROUNDS: u32 = 5;
const MOST: u32 = 100;

fn main() -> ExitCode {
    let stub = ProviderStub::start();
    let flags = stub.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    drill::run("budget", &flags, async |stack| {
        for number in 1..=ROUNDS {
            round(stack, &stub, number).await;
        }
    })
}

async fn round(stack: &Stack, stub: &ProviderStub, number: u32) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let budget = json!({"requestsPerDay": MOST});
    let set = stack.call("PUT", &user.path("/budget")).admin().json(&budget);
    set.send().await.expect(200);
    let begun = Instant::now();
    let statuses = stack.chats_at_once(&user, "openai", 3 * MOST).await;
    let took = begun.elapsed();
    let reached = stub.seen(&user.id).len();
    println!(
        "round {number}: {statuses:?}, {reached} reached the provider, {} ms",
        took.as_millis()
    );
    assert_eq!(statuses.get(&200), Some(&MOST));
    assert_eq!(statuses.get(&402), Some(&(2 * MOST)));
    assert_eq!(reached, usize::try_from(MOST).unwrap_or_default());
    let standing = stack.get(&user.path("/budget")).admin().send().await.json(200);
    assert_eq!(standing["used"]["requestsToday"], MOST, "{standing}");
}
