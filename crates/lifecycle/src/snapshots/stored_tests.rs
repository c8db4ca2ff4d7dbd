use super::List;
use crate::snapshots::{Boot, Keeping, fixtures};
use molt_common::sandbox_change::ChangeOutcome;
use molt_common::snapshot::{Manifest, ObjectId, PublishAnswer, PublishRequest, SaveReason, SnapshotId};
use molt_common::snapshot_call::{Decided, Decision};
use molt_common::time::Millis;

const T0: Millis = Millis(1_800_000_000_000);
const BOOT: Boot = Boot {
    generation: 1,
    lives: true,
};

fn id(number: u8) -> SnapshotId {
    ObjectId::new([number; 32])
}

/// Publishes one that added so much, upon the head.
fn publish(list: &mut List, number: u8, added_bytes: u64, minutes: u64) {
    let request = PublishRequest {
        manifest: Manifest {
            files: 9,
            bytes: 9,
            added_bytes,
            ..fixtures::manifest(id(number), T0)
        },
        reason: SaveReason::Interval,
        head: list.keeping.head,
        import: None,
    };
    // Asked again, it is the same one.
    for _ in 0..2 {
        let answer = list.publish(1, &request, BOOT, T0.plus(minutes * 60_000));
        assert!(matches!(answer, PublishAnswer::Published { .. }), "{answer:?}");
    }
}

const fn pruned(added_bytes: u64, removed_bytes: u64) -> ChangeOutcome {
    ChangeOutcome {
        snapshot: None,
        added_bytes,
        verification: None,
        removed_bytes,
        differences: vec![],
        difference_count: 0,
        restored_paths: 0,
        stop_refused: None,
    }
}

#[test]
fn what_went_off_the_list_is_still_stored_until_it_is_pruned() {
    let mut list = List::default();
    publish(&mut list, 1, 1_000_000, 0);
    for number in 2..40 {
        publish(&mut list, number, 10, u64::from(number) * 5);
    }
    assert_eq!(list.get(id(1)), None, "an hour has one that is newer");
    assert_eq!(list.stored_bytes(), 1_000_380);
    list.pruned(&pruned(0, 0), T0);
    assert_eq!(list.stored_bytes(), 1_000_380, "the disk still has it");
    // A pack of which a part is needed is written anew before it goes.
    list.pruned(&pruned(600_000, 300), T0);
    list.pruned(&pruned(0, 1_000_000), T0);
    assert_eq!(list.stored_bytes(), 600_080);
    assert_eq!(list.summary(vec![]).stored_bytes, 600_080);
}

#[test]
fn what_listed_snapshots_added_is_there_whatever_else_was_removed() {
    let mut list = List::default();
    publish(&mut list, 1, 100, 0);
    publish(&mut list, 2, 20, 1);
    // Most of it are the remains of saves that broke off.
    list.pruned(&pruned(0, 5_000), T0);
    assert_eq!(list.stored_bytes(), 120);
}

#[test]
fn a_list_of_before_begins_with_what_its_entries_added() {
    let mut list = List::default();
    publish(&mut list, 1, 100, 0);
    publish(&mut list, 2, 20, 1);
    let mut state = serde_json::to_value(&list.keeping).unwrap();
    state.as_object_mut().unwrap().remove("stored_bytes").unwrap();
    list.keeping = serde_json::from_value::<Keeping>(state).unwrap();
    assert_eq!((list.keeping.stored_bytes, list.stored_bytes()), (None, 120));
    let mut other = list.clone();
    publish(&mut other, 3, 5, 2);
    assert_eq!(other.stored_bytes(), 125);
    let decided = list.decide(id(1), Decision::Delete, T0);
    assert!(matches!(decided, Decided::Done { .. }), "{decided:?}");
    assert_eq!(list.stored_bytes(), 120);
}
