//! 2 GiB in 100,000 files are saved; then 1 MiB of it changes, then nothing: what each save moves.

use e2e_tests::disk::{Disk, Load};
use e2e_tests::drill;
use e2e_tests::snapshot_change::run;
use std::process::ExitCode;

const FLAGS: &[&str] = &["--var", "container-gateway.SNAPSHOT_INTERVAL_SECONDS=3600"];

fn main() -> ExitCode {
    drill::run("snapshot-change", FLAGS, async |stack| {
        assert!(
            Disk::is_reachable(),
            "the disks of sandboxes are reached by the machine's administrator only"
        );
        let load = Load {
            files: 100_000,
            longest: 42_000,
        };
        let outcome = run(stack, load).await;
        println!("{outcome:#?}");
        assert!(outcome.first.stored > 1 << 30, "the disk is not what it should be");
        assert!(outcome.changed.bytes < 8 << 20, "8 MiB for 1 MiB");
        assert!(outcome.unchanged.bytes < 1 << 20, "1 MiB for nothing");
    })
}
