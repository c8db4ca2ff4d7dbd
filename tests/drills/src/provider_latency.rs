//! How late tokens of a provider are in a sandbox: the first of a hundred streams, and a thousand of one, alone and beside ten more.

use e2e_tests::drill;
use e2e_tests::provider_streams::{delays, spread};
use e2e_tests::provider_stub::ProviderStub;
use futures_util::future::join_all;
use serde_json::json;
use std::process::ExitCode;

/// What half of all tokens must be faster than, microseconds.
const MOST: u64 = 20_000;

fn main() -> ExitCode {
    let stub = ProviderStub::start();
    let flags = stub.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    drill::run("provider-latency", &flags, async |stack| {
        let user = stack.new_user().await;
        let token = stack.provider_token(&user).await;
        let body = |model: &str| json!({"model": model, "stream": true, "messages": []});
        let told = |what: &str, seen: Vec<u64>| {
            let (median, most, longest) = spread(seen);
            println!("{what}: median {median} us, 99 of 100 {most} us, longest {longest} us");
            assert!(median < MOST, "{what}: too late");
        };
        delays(stack, &user, &token, 3, &body("paced-5-5")).await;
        let first = delays(stack, &user, &token, 100, &body("paced-1-5")).await;
        assert_eq!(first.len(), 100);
        told("first tokens of 100 streams", first);
        let many = delays(stack, &user, &token, 1, &body("paced-1000-10")).await;
        assert_eq!(many.len(), 1_000);
        told("1000 tokens of a stream", many);
        let (paced, token, user) = (body("paced-500-20"), &token, &user);
        let beside = join_all((0..10).map(|_| delays(stack, user, token, 1, &paced))).await;
        told("500 tokens of each of 10 streams", beside.concat());
    })
}
