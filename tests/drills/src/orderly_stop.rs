//! A writer that is stopped in every orderly way loses nothing, and one that is killed at most what the interval says: the figures of each, several times.

use e2e_tests::disk::Disk;
use e2e_tests::drill;
use e2e_tests::orderly_stop::{Cost, End, ORDERLY, case, write_if_asked};
use std::process::ExitCode;
use std::time::Duration;

const INTERVAL_SECONDS: u64 = 30;
const FLAGS: &[&str] = &[
    "--var",
    "container-gateway.IDLE_SLEEP_SECONDS=15",
    "--var",
    "container-gateway.SNAPSHOT_INTERVAL_SECONDS=30",
];
/// Reading, sending and publishing a small disk on a busy machine, and the pause between two looks.
const SAVING: Duration = Duration::from_secs(20);

fn rounds() -> u32 {
    let said = std::env::var("MOLT_ROUNDS").ok().and_then(|text| text.parse().ok());
    said.unwrap_or(5)
}

fn main() -> ExitCode {
    write_if_asked();
    drill::run("orderly-stop", FLAGS, async |stack| {
        assert!(
            Disk::is_reachable(),
            "the disks of sandboxes are reached by the machine's administrator only"
        );
        for end in ORDERLY {
            let mut user = stack.new_user().await;
            let mut costs: Vec<Cost> = vec![];
            for _ in 0..rounds() {
                // Nobody asked for these: several within ten minutes are a crash loop, and the sandbox waits before it starts again.
                if end == End::Term {
                    user = stack.new_user().await;
                }
                costs.push(case(stack, &user, end).await);
            }
            let records: usize = costs.last().map_or(0, |cost| cost.acknowledged);
            println!(
                "{end:?}: {} times, {records} records in the end, 0 bytes lost",
                costs.len()
            );
        }
        let mut longest = Duration::ZERO;
        for _ in 0..rounds() {
            // A user each: what one lost is not acknowledged again.
            let user = stack.new_user().await;
            stack.awake(&user).await;
            stack.backup(&user).await;
            longest = longest.max(case(stack, &user, End::Kill).await.lost_span);
        }
        println!("Kill: at most {longest:?} lost, at an interval of {INTERVAL_SECONDS} s");
        assert!(longest <= Duration::from_secs(INTERVAL_SECONDS) + SAVING);
    })
}
