//! A hundred streams of 10 MiB from a provider at once, slowly and at full speed: all arrive whole, and workerd stays as small as it was.

use e2e_tests::drill;
use e2e_tests::provider_streams::many;
use e2e_tests::provider_stub::ProviderStub;
use std::process::ExitCode;

fn main() -> ExitCode {
    let stub = ProviderStub::start();
    let flags = stub.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    drill::run("provider-memory", &flags, async |stack| {
        let user = stack.new_user().await;
        let token = stack.provider_token(&user).await;
        many(stack, &user, &token, 100, 10 * 1024 * 1024).await;
    })
}
