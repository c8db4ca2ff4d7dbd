//! Fifty sandboxes are restarted while the admin worker is killed twice in the middle: all done, once, and of each it is told.

use e2e_tests::drill;
use std::process::ExitCode;

const USERS: usize = 50;
const CONCURRENCY: u32 = 5;

fn main() -> ExitCode {
    let users = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(USERS);
    drill::run("bulk-restart", &["--split"], async |stack| {
        let users = stack.many_awake(users).await;
        println!("{} sandboxes run", users.len());
        let survived = stack.bulk_restart_survives(&users, CONCURRENCY).await;
        println!(
            "{} agents were started again, each once and each reported, {} ms; the worker was killed {} times, first when {} had ended",
            survived.users,
            survived.took.as_millis(),
            survived.kills,
            survived.ended_before
        );
    })
}
