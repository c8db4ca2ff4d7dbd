//! Write, save, kill something at a random moment, restore: a hundred times at 50 MiB and 5,000 files, and three times at 2 GiB and 100,000 files. Every disk
//! that comes back is byte-equal to a published snapshot.

use e2e_tests::disk::{Disk, Load};
use e2e_tests::drill;
use e2e_tests::parts::Part;
use e2e_tests::snapshot_cycles::{Series, Victim, run};
use std::process::ExitCode;
use std::time::Duration;

const FLAGS: &[&str] = &["--var", "container-gateway.SNAPSHOT_INTERVAL_SECONDS=3600"];
const VICTIMS: &[Victim] = &[
    Victim::Nobody,
    Victim::Part(Part::Saver),
    Victim::Part(Part::Serve),
    Victim::Part(Part::Init),
    Victim::Part(Part::Container),
    Victim::Part(Part::Agent),
    Victim::Part(Part::Engine),
    Victim::Runtime,
    Victim::Gateway,
];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn main() -> ExitCode {
    drill::run("snapshot-cycles", FLAGS, async |stack| {
        assert!(
            Disk::is_reachable(),
            "the disks of sandboxes are reached by the machine's administrator only"
        );
        let small = Load {
            files: 5_000,
            longest: 20_000,
        };
        let large = Load {
            files: 100_000,
            longest: 42_000,
        };
        let seed = number("MOLT_SEED", 1);
        for (name, cycles, load, patience_s) in [
            ("50 MiB, 5,000 files", number("MOLT_CYCLES", 100), small, 150),
            ("2 GiB, 100,000 files", number("MOLT_LARGE_CYCLES", 3), large, 900),
        ] {
            let outcome = run(
                stack,
                &Series {
                    cycles,
                    load,
                    patience: Duration::from_secs(patience_s),
                    victims: VICTIMS,
                    seed,
                },
            )
            .await;
            println!("{name}: {outcome:?}");
        }
    })
}
