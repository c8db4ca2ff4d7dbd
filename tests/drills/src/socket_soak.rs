//! 200 sockets, half of them resuming, with traffic for ten minutes (`MOLT_SOAK_SECONDS` shortens it).

use e2e_tests::{drill, soak};
use std::process::ExitCode;
use std::time::Duration;

const SOCKETS: usize = 200;
const SECONDS: u64 = 600;

fn main() -> ExitCode {
    let flags = ["--var", "container-gateway.SOCKET_RESUME=on"];
    drill::run("socket-soak", &flags, async |stack| {
        let user = stack.new_user().await;
        stack.awake(&user).await;
        let seconds = std::env::var("MOLT_SOAK_SECONDS")
            .ok()
            .and_then(|text| text.parse().ok());
        soak::run(stack, &user, SOCKETS, Duration::from_secs(seconds.unwrap_or(SECONDS))).await;
    })
}
