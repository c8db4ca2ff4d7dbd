//! A socket with a message every five seconds, and not one HTTP request to its sandbox, lives for ten minutes.

use e2e_tests::drill;
use e2e_tests::wait::repeatedly;
use std::process::ExitCode;
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(5);
const MESSAGES: u32 = 120;

fn main() -> ExitCode {
    drill::run("socket-ten-minutes", &[], async |stack| {
        let user = stack.new_user().await;
        let mut socket = stack.socket(&user).await;
        repeatedly(MESSAGES, PERIOD, async |round| {
            socket.echoes(&format!("message {round}")).await;
            if round % 12 == 0 {
                println!("minute {}: the socket answers", round / 12);
            }
        })
        .await;
        socket.echoes("the last").await;
        assert_eq!(stack.generation(&user).await, 1, "the sandbox was started anew");
        println!(
            "{} s on one socket, {MESSAGES} messages, generation 1",
            (PERIOD * MESSAGES).as_secs()
        );
    })
}
