//! Flips, cuts, swaps and deletes objects of each kind in R2: each is found and named, none is restored in silence, and all is well after a repair.

use e2e_tests::disk::Disk;
use e2e_tests::drill;
use e2e_tests::snapshot_corruption::{HARMS, KINDS, case};
use std::process::ExitCode;

const FLAGS: &[&str] = &["--var", "container-gateway.SNAPSHOT_INTERVAL_SECONDS=3600"];

fn main() -> ExitCode {
    drill::run("snapshot-corruption", FLAGS, async |stack| {
        assert!(
            Disk::is_reachable(),
            "the disks of sandboxes are reached by the machine's administrator only"
        );
        for kind in KINDS {
            for harm in HARMS {
                case(stack, kind, harm).await;
                println!("{kind} {harm:?}: found, named, not restored; restored after a repair");
            }
        }
    })
}
