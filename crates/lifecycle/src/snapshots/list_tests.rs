use super::{Boot, Circumstances, List, PRUNE_EVERY_MS, VERIFY_EVERY_MS, fixtures};
use molt_common::control::snapshot::{SaveStage, SaveView, SnapshotStatus};
use molt_common::legacy_data::ImportReport;
use molt_common::sandbox_change::ChangeOutcome;
use molt_common::snapshot::{
    Manifest, ObjectId, PublishAnswer, PublishRequest, SaveReason, SnapshotId, Standing, Verification,
};
use molt_common::snapshot_call::{Decided, Decision};
use molt_common::time::Millis;

const T0: Millis = Millis(1_800_000_000_000);
const MINUTE: u64 = 60_000;

fn id(number: u8) -> SnapshotId {
    ObjectId::new([number; 32])
}

fn request(snapshot: u8, head: Option<u8>, files: u64) -> PublishRequest {
    PublishRequest {
        manifest: Manifest {
            files,
            bytes: files,
            added_bytes: 10,
            ..fixtures::manifest(id(snapshot), T0)
        },
        reason: SaveReason::Interval,
        head: head.map(id),
        import: None,
    }
}

const fn boot(generation: u64) -> Boot {
    Boot {
        generation,
        lives: true,
    }
}

/// Publishes in the generation that lives.
fn publish(list: &mut List, generation: u64, request: &PublishRequest, minutes: u64) -> PublishAnswer {
    list.publish(generation, request, boot(generation), T0.plus(minutes * MINUTE))
}

fn status(changed: bool, safe_until: Option<Millis>) -> SnapshotStatus {
    SnapshotStatus {
        safe_until,
        changed,
        ..fixtures::status()
    }
}

#[test]
fn the_same_request_again_gets_the_same_answer_even_after_the_end() {
    let mut list = List::default();
    list.keeping.begin(1);
    let first = request(1, None, 5);
    assert_eq!(
        publish(&mut list, 1, &first, 0),
        PublishAnswer::Published { sequence: 1 }
    );
    let again = list.clone();
    assert_eq!(
        publish(&mut list, 1, &first, 1),
        PublishAnswer::Published { sequence: 1 }
    );
    let over = Boot {
        generation: 2,
        lives: true,
    };
    assert_eq!(
        list.publish(1, &first, over, T0),
        PublishAnswer::Published { sequence: 1 }
    );
    assert_eq!(list, again);
}

#[test]
fn of_two_writers_one_wins_and_the_other_is_told() {
    let mut list = List::default();
    list.keeping.begin(1);
    assert_eq!(
        publish(&mut list, 1, &request(1, None, 5), 0),
        PublishAnswer::Published { sequence: 1 }
    );
    let head = Some(id(1));
    assert_eq!(
        publish(&mut list, 1, &request(2, None, 5), 0),
        PublishAnswer::HeadMoved { head }
    );
    let ended = Boot {
        generation: 1,
        lives: false,
    };
    let late = request(3, Some(1), 5);
    assert_eq!(
        list.publish(1, &late, ended, T0),
        PublishAnswer::GenerationOver { generation: 1 }
    );
    assert_eq!(
        list.publish(1, &late, boot(2), T0),
        PublishAnswer::GenerationOver { generation: 2 }
    );
    assert_eq!(list.keeping.head, head);
}

#[test]
fn what_shrank_is_kept_apart_and_later_ones_are_judged_by_what_counts() {
    let mut list = List::default();
    list.keeping.begin(1);
    publish(&mut list, 1, &request(1, None, 1_000), 0);
    let PublishAnswer::Quarantined { why } = publish(&mut list, 1, &request(2, Some(1), 3), 5) else {
        panic!("it counts")
    };
    assert!(why.contains("1000"));
    assert_eq!((list.keeping.head, list.keeping.quarantined), (Some(id(1)), 1));
    let again = publish(&mut list, 1, &request(2, Some(1), 3), 6);
    assert_eq!(again, PublishAnswer::Quarantined { why });
    assert!(matches!(
        publish(&mut list, 1, &request(3, Some(1), 3), 10),
        PublishAnswer::Quarantined { .. }
    ));
    assert_eq!(
        publish(&mut list, 1, &request(4, Some(1), 900), 15),
        PublishAnswer::Published { sequence: 4 }
    );
    let at_rest = Circumstances {
        running_since: None,
        interval_ms: 300_000,
        kept: true,
    };
    assert!(
        list.keeping
            .alerts(T0, at_rest)
            .iter()
            .any(|alert| alert.contains("kept apart"))
    );
    // Somebody lets the older one count: it does, and is not the newest.
    assert!(
        matches!(list.decide(id(2), Decision::Release, T0), Decided::Done { snapshot } if snapshot.standing == Standing::Published)
    );
    assert_eq!(list.keeping.head, Some(id(4)));
    assert!(matches!(list.decide(id(3), Decision::Delete, T0), Decided::Done { .. }));
    assert_eq!((list.keeping.quarantined, list.keeping.published), (0, 3));
    assert_eq!(list.keeping.alerts(T0, at_rest), Vec::<String>::new());
}

#[test]
fn one_that_is_released_with_nothing_after_it_is_what_the_next_start_restores() {
    let mut list = List::default();
    list.keeping.begin(1);
    publish(&mut list, 1, &request(1, None, 1_000), 0);
    publish(&mut list, 1, &request(2, Some(1), 3), 5);
    list.decide(id(2), Decision::Release, T0);
    assert_eq!(list.keeping.begin(2).restore, Some(id(2)));
    // The sandbox goes on where it was: it is told the new head once.
    let mut goes_on = list.clone();
    goes_on.keeping.branch = None;
    assert_eq!(
        publish(&mut goes_on, 1, &request(3, Some(1), 3), 6),
        PublishAnswer::HeadMoved { head: Some(id(2)) }
    );
    assert!(matches!(
        publish(&mut goes_on, 1, &request(3, Some(2), 3), 6),
        PublishAnswer::Published { .. }
    ));
    assert!(
        matches!(list.decide(id(2), Decision::Release, T0), Decided::Refused { .. }),
        "it counts already"
    );
}

#[test]
fn an_older_point_is_a_new_branch_until_it_has_a_snapshot_of_its_own() {
    let mut list = List::default();
    list.keeping.begin(1);
    publish(&mut list, 1, &request(1, None, 10), 0);
    publish(&mut list, 1, &request(2, Some(1), 1_000), 5);
    list.choose(id(1), 1).unwrap();
    // The boot that is still up saves once more: that is no part of the new branch, and the choice stands.
    publish(&mut list, 1, &request(3, Some(2), 1_000), 6);
    let branch = list.keeping.begin(2);
    assert_eq!((branch.restore, branch.head), (Some(id(1)), Some(id(3))));
    // It dies before it was saved: the choice still stands.
    assert_eq!(list.keeping.begin(3).restore, Some(id(1)));
    // Much less than the head, but not than what it stands on.
    assert!(matches!(
        publish(&mut list, 3, &request(4, Some(3), 11), 9),
        PublishAnswer::Published { .. }
    ));
    assert_eq!(list.get(id(4)).unwrap().parent, Some(id(1)));
    assert_eq!(list.keeping.begin(4).restore, Some(id(4)));
    assert_eq!(list.snapshots.len(), 4, "the old ones stay");
}

#[test]
fn what_is_needed_is_not_deleted_and_what_does_not_count_is_not_chosen() {
    let mut list = List::default();
    list.keeping.begin(1);
    for (number, head) in [(1, None), (2, Some(1)), (3, Some(2))] {
        publish(&mut list, 1, &request(number, head, 10), u64::from(number));
    }
    list.choose(id(1), 1).unwrap();
    assert!(matches!(
        list.decide(id(3), Decision::Delete, T0),
        Decided::Refused { .. }
    ));
    assert!(matches!(
        list.decide(id(1), Decision::Delete, T0),
        Decided::Refused { .. }
    ));
    assert!(matches!(list.decide(id(2), Decision::Delete, T0), Decided::Done { .. }));
    assert!(matches!(list.decide(id(2), Decision::Delete, T0), Decided::Unknown));
    assert!(list.choose(id(2), 1).unwrap_err().contains("must be"));
    assert_eq!(list.kept_by_prune(), [id(1), id(3)]);
    assert_eq!(list.summary(vec![]).stored_bytes, 30, "it is removed by the next prune");
    // The change that chose it failed: the next start takes the newest.
    list.keeping.unchoose(id(1));
    assert_eq!(list.keeping.begin(2).restore, Some(id(3)));
    // One that a disk holds already stays chosen.
    list.choose(id(1), 2).unwrap();
    list.keeping.begin(3);
    list.keeping.restored(3, T0);
    list.keeping.unchoose(id(1));
    assert_eq!(list.keeping.begin(4).restore, Some(id(1)));
}

#[test]
fn pruning_waits_a_day_and_for_something_to_remove() {
    let mut list = List::default();
    list.keeping.begin(1);
    publish(&mut list, 1, &request(1, None, 10), 0);
    publish(&mut list, 1, &request(2, Some(1), 10), 1);
    assert!(!list.keeping.prune_is_due(T0.plus(9 * PRUNE_EVERY_MS)));
    list.decide(id(1), Decision::Delete, T0);
    assert!(!list.keeping.prune_is_due(T0.plus(PRUNE_EVERY_MS - 1)));
    let due = T0.plus(PRUNE_EVERY_MS);
    assert!(list.keeping.prune_is_due(due));
    list.keeping.prune_asked(due);
    assert!(!list.keeping.prune_is_due(due.plus(MINUTE)), "it is under way");
    assert!(list.keeping.prune_is_due(due.plus(61 * MINUTE)), "it came to nothing");
    list.forgot_for_test(due.plus(1));
    list.pruned(&ChangeOutcome::default(), due.plus(MINUTE));
    assert_eq!(list.keeping.forgotten, 1, "what went meanwhile is for the next");
    assert!(!list.keeping.prune_is_due(due.plus(PRUNE_EVERY_MS)));
    assert!(list.keeping.prune_is_due(due.plus(PRUNE_EVERY_MS + MINUTE)));
}

#[test]
fn a_sample_is_verified_each_day_and_a_fault_is_an_alert() {
    let mut list = List::default();
    list.keeping.begin(1);
    assert!(!list.keeping.verify_is_due(T0.plus(9 * VERIFY_EVERY_MS)));
    publish(&mut list, 1, &request(1, None, 10), 0);
    let due = T0.plus(VERIFY_EVERY_MS);
    assert!(!list.keeping.verify_is_due(T0.plus(VERIFY_EVERY_MS - 1)) && list.keeping.verify_is_due(due));
    let verification = Verification {
        at: due,
        full: false,
        ok: false,
        faults: vec!["a pack is short".into()],
        read_bytes: 1,
        compared_files: 1,
    };
    list.verified(id(1), &verification);
    assert!(!list.keeping.verify_is_due(due.plus(1)));
    assert_eq!(list.get(id(1)).unwrap().verification.as_ref(), Some(&verification));
    let at_rest = Circumstances {
        running_since: None,
        interval_ms: 1,
        kept: true,
    };
    assert!(list.keeping.alerts(due, at_rest)[0].contains("found faults"));
}

#[test]
fn late_saving_failed_saving_and_what_an_end_cost_are_said() {
    let mut list = List::default();
    list.keeping.begin(1);
    let running = Circumstances {
        running_since: Some(T0),
        interval_ms: 300_000,
        kept: true,
    };
    let mut told = status(true, Some(T0));
    list.keeping.told(1, &told, T0.plus(MINUTE));
    assert_eq!(list.keeping.alerts(T0.plus(15 * MINUTE), running), Vec::<String>::new());
    assert!(list.keeping.alerts(T0.plus(16 * MINUTE), running)[0].contains("in no snapshot"));
    told.save = Some(SaveView {
        stage: SaveStage::Failed,
        error: Some("the repository did not answer".into()),
        ..SaveView::begun("interval-1", SaveReason::Interval, T0)
    });
    list.keeping.told(1, &told, T0.plus(16 * MINUTE));
    assert_eq!(list.keeping.alerts(T0.plus(16 * MINUTE), running).len(), 2);
    // Of an older boot nothing is heard.
    list.keeping.told(7, &status(false, None), T0.plus(17 * MINUTE));
    list.keeping.ended(1, T0.plus(18 * MINUTE));
    let loss = list.keeping.loss.clone().unwrap();
    assert_eq!(loss.safe_until, Some(T0));
    assert!(loss.text().contains(&T0.iso()), "{}", loss.text());
    // What the last save of a stop holds is not lost, however the container went after that.
    list.keeping.loss = None;
    list.keeping.begin(2);
    list.keeping.told(2, &status(true, None), T0.plus(20 * MINUTE));
    let mut last = request(9, None, 10);
    last.reason = SaveReason::Stop;
    assert!(matches!(
        publish(&mut list, 2, &last, 20),
        PublishAnswer::Published { .. }
    ));
    list.keeping.ended(2, T0.plus(21 * MINUTE));
    assert_eq!(list.keeping.loss, None);
    // A disk that never held what it should had nothing to lose.
    list.keeping.begin(3);
    list.keeping.ended(3, T0.plus(22 * MINUTE));
    assert_eq!(list.keeping.loss, None);
}

impl List {
    fn forgot_for_test(&mut self, now: Millis) {
        self.forgot(1, now);
    }
}

#[test]
fn what_was_imported_is_what_its_boot_began_with() {
    let mut list = List::default();
    list.keeping.begin(1);
    let import = PublishRequest {
        reason: SaveReason::Import,
        import: Some(ImportReport::default()),
        ..request(1, None, 5)
    };
    assert_eq!(
        publish(&mut list, 1, &import, 1),
        PublishAnswer::Published { sequence: 1 }
    );
    assert_eq!(list.keeping.begin(1).restore, Some(id(1)));
    assert_eq!(list.keeping.begin(2).restore, Some(id(1)));
}
