//! Everything at once, in the small form of the drill `control-plane-recovery`.

use e2e_tests::disk::{Disk, Load};
use e2e_tests::recovery::{Size, recover};

pub async fn a_lost_platform_begins_again_from_its_archive() {
    if !Disk::is_reachable() {
        eprintln!("SKIPPED: the disks of sandboxes are reached by the machine's administrator only");
        return;
    }
    let size = Size {
        others: 3,
        load: Load {
            files: 60,
            longest: 20_000,
        },
        versions: 3,
    };
    let outcome = recover(size, |_| {}).await;
    assert_eq!(outcome.users, 2 + 1 + u64::from(size.others), "{outcome:?}");
}
