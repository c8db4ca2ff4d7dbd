//! The short forms of the drills: what is saved, killed and restored is byte-equal, and what was broken in the repository is found and not restored.

use e2e_tests::disk::{Disk, Load};
use e2e_tests::parts::Part;
use e2e_tests::snapshot_change;
use e2e_tests::snapshot_corruption::{Harm, case};
use e2e_tests::snapshot_cycles::{Series, Victim, run};
use e2e_tests::stack::{Stack, state_dir};
use std::time::Duration;

/// Saves are those that are asked for.
const FLAGS: &[&str] = &["--var", "container-gateway.SNAPSHOT_INTERVAL_SECONDS=3600"];
/// What may be killed beside other tests: not the engine of all.
const VICTIMS: &[Victim] = &[
    Victim::Part(Part::Saver),
    Victim::Part(Part::Serve),
    Victim::Part(Part::Container),
    Victim::Gateway,
];

/// Whether this process may look at the disks of sandboxes.
fn reachable() -> bool {
    let reachable = Disk::is_reachable();
    if !reachable {
        eprintln!("SKIPPED: the disks of sandboxes are reached by the machine's administrator only");
    }
    reachable
}

pub async fn cycles_of_saving_killing_and_restoring_are_byte_equal() {
    if !reachable() {
        return;
    }
    let stack = Stack::start(FLAGS, &state_dir().unwrap()).await.unwrap();
    let load = Load {
        files: 5_000,
        longest: 20_000,
    };
    let series = Series {
        cycles: 5,
        load,
        patience: Duration::from_secs(150),
        victims: VICTIMS,
        seed: 1,
    };
    let outcome = run(&stack, &series).await;
    println!("{outcome:?}");
    assert_eq!(outcome.restored, 5);
    stack.stop().await.assert_clean();
}

pub async fn a_small_change_moves_little_and_no_change_next_to_nothing() {
    if !reachable() {
        return;
    }
    let stack = Stack::start(FLAGS, &state_dir().unwrap()).await.unwrap();
    let load = Load {
        files: 2_000,
        longest: 20_000,
    };
    let outcome = snapshot_change::run(&stack, load).await;
    println!("{outcome:?}");
    assert!(outcome.first.stored > 64 << 20, "{outcome:?}");
    assert!(outcome.first.bytes > outcome.first.stored, "{outcome:?}");
    assert!(outcome.changed.stored >= snapshot_change::CHANGED, "{outcome:?}");
    assert!(outcome.changed.bytes < 8 << 20, "{outcome:?}");
    assert!(outcome.unchanged.bytes < 512 << 10, "{outcome:?}");
}

async fn harmed(harms: [(&str, Harm); 2]) {
    if !reachable() {
        return;
    }
    let stack = Stack::start(FLAGS, &state_dir().unwrap()).await.unwrap();
    for (kind, harm) in harms {
        case(&stack, kind, harm).await;
    }
    stack.stop().await.assert_clean();
}

pub async fn harmed_data_is_found_and_not_restored() {
    harmed([("data", Harm::Flipped), ("data", Harm::Deleted)]).await;
}

pub async fn harmed_records_are_found_and_not_restored() {
    harmed([("index", Harm::Truncated), ("snapshots", Harm::Swapped)]).await;
}
