//! Twenty times: a stack with running commands and open sockets is told to stop (or, every fifth time, killed), and no process is left.

use e2e_tests::drill;
use e2e_tests::stack::{Stack, state_dir};
use serde_json::json;
use std::process::ExitCode;
use std::time::Instant;

const ROUNDS: u32 = 20;

fn main() -> ExitCode {
    drill::run_alone("stop-leaves-nothing", async || {
        // One folder for all rounds, so that each start also meets what the one before left on disk.
        let state = state_dir().expect("a folder");
        for number in 1..=ROUNDS {
            let stack = Stack::start(&[], &state)
                .await
                .unwrap_or_else(|error| panic!("{error}"));
            round(&stack, number).await;
        }
    })
}

async fn round(stack: &Stack, number: u32) {
    let (ada, ben) = (stack.seeded("Ada"), stack.seeded("Ben"));
    let mut sockets = vec![stack.socket(&ada).await, stack.socket(&ben).await];
    let command = json!({"command": "setsid sleep 600 & sleep 600", "timeoutMs": 900_000});
    for user in [&ada, &ben] {
        let accepted = stack.submit(user, &command).await;
        stack.exec_reaches(&accepted, "running").await;
    }
    let members = stack.processes().len();
    let begun = Instant::now();
    let how = if number.is_multiple_of(5) {
        let killed = stack.kill().await;
        assert!(killed.left.is_empty(), "processes were left behind: {:#?}", killed.left);
        "killed"
    } else {
        stack.stop().await.assert_clean();
        "stopped"
    };
    sockets.clear();
    println!(
        "round {number}: {how}, {members} processes, none left after {} ms",
        begun.elapsed().as_millis()
    );
}
