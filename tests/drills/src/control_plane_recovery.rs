//! A platform is exported and lost, and another one begins with its archive: more people and larger disks than in the test.

use e2e_tests::disk::Load;
use e2e_tests::drill;
use e2e_tests::recovery::{Size, recover};
use std::process::ExitCode;

fn main() -> ExitCode {
    let others = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(150);
    drill::run_alone("control-plane-recovery", async || {
        let size = Size {
            others,
            load: Load {
                files: 5_000,
                longest: 20_000,
            },
            versions: 20,
        };
        let outcome = recover(size, |step| println!("{step}")).await;
        println!("{outcome:?}");
    })
}
