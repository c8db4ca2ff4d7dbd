use molt_common::control::snapshot::Upkeep;
use molt_common::id::UserId;
use molt_common::legacy_data::Source;
use molt_common::snapshot::ObjectId;

use super::*;

fn id(number: u8) -> SnapshotId {
    ObjectId::new([number; 32])
}

fn access(token: &str) -> RepositoryAccess {
    RepositoryAccess {
        url: "http://repository.example/_molt/repository/sb/".into(),
        token: token.into(),
        key: "{}".into(),
        until: Millis(9),
    }
}

fn begin(restore: Option<SnapshotId>, head: Option<SnapshotId>) -> BeginBoot {
    BeginBoot {
        repository: access("t"),
        restore,
        head,
        interval_ms: 1_000,
        import: None,
        config: None,
    }
}

fn restored() -> State {
    let mut state = State::default();
    state.begin(begin(None, None)).unwrap();
    state.restore.stage = Some(RestoreStage::Done);
    state
}

fn save(id: &str) -> SaveNow {
    SaveNow {
        id: id.into(),
        reason: SaveReason::Request,
    }
}

fn upkeep(id: &str) -> UpkeepNow {
    UpkeepNow {
        id: id.into(),
        work: Upkeep::Prune { keep: Vec::new() },
        repository: access("full"),
    }
}

#[test]
fn a_boot_begins_once() {
    let mut state = State::default();
    assert_eq!(state.status().restore, RestoreStage::Waiting);
    state.begin(begin(Some(id(1)), Some(id(2)))).unwrap();
    let again = BeginBoot {
        repository: access("newer"),
        ..begin(Some(id(1)), Some(id(2)))
    };
    state.begin(again).unwrap();
    assert_eq!(
        state.access.as_ref().unwrap().token,
        "newer",
        "the same again brings a new token"
    );
    for other in [
        begin(None, Some(id(2))),
        begin(Some(id(2)), Some(id(2))),
        begin(Some(id(1)), Some(id(3))),
    ] {
        assert!(matches!(state.begin(other), Err(DiskRefusal::Conflict(_))));
    }
    state.mark.head = Some(id(3));
    state.begin(begin(Some(id(1)), Some(id(3)))).unwrap();
    assert_eq!(
        state.mark.head,
        Some(id(3)),
        "what was published since may be said as the newest"
    );
}

#[test]
fn what_was_imported_becomes_a_snapshot_like_any_other() {
    let plan = ImportPlan {
        user: UserId::parse("0b0f3c1e-5a52-4c54-9d3f-6a5f0e1d2c3b").unwrap(),
        source: Source::Files { objects: 1, bytes: 1 },
        accept_damaged: false,
    };
    let import = || BeginBoot {
        import: Some(plan.clone()),
        ..begin(None, None)
    };
    let mut state = State::default();
    let both = BeginBoot {
        restore: Some(id(1)),
        ..import()
    };
    assert!(matches!(state.begin(both), Err(DiskRefusal::Invalid(_))));
    state.begin(import()).unwrap();
    assert_eq!(state.told(), Some(Beginning::Kept(plan.clone())));
    state.begin(import()).unwrap();
    assert!(matches!(
        state.begin(begin(Some(id(1)), Some(id(1)))),
        Err(DiskRefusal::Conflict(_))
    ));
    state.mark.head = Some(id(1));
    state.begin(begin(Some(id(1)), Some(id(1)))).unwrap();
    assert_eq!(
        state.told(),
        Some(Beginning::Kept(plan)),
        "this serve goes on with what it began"
    );
}

#[test]
fn a_serve_that_was_started_again_asks_for_its_secrets_and_not_for_a_restore() {
    let mark = Mark {
        restored: Some(id(1)),
        head: Some(id(2)),
        interval_ms: 5,
        safe_until: Some(Millis(7)),
        ..Mark::default()
    };
    let mut state = State::new(Some(mark));
    let status = state.status();
    assert!(state.is_restored() && state.changed);
    assert_eq!((status.restore, status.restored), (RestoreStage::Waiting, Some(id(1))));
    assert!(matches!(
        state.ask_save(save("a"), Millis(1)),
        Err(DiskRefusal::NotReady(_))
    ));
    assert!(matches!(
        state.begin(begin(Some(id(9)), Some(id(2)))),
        Err(DiskRefusal::Conflict(_))
    ));
    state.begin(begin(Some(id(1)), Some(id(1)))).unwrap();
    assert_eq!(state.status().restore, RestoreStage::Done);
    let mark = &state.mark;
    assert_eq!(
        (mark.head, mark.safe_until),
        (Some(id(2)), Some(Millis(7))),
        "what was published since is newer"
    );
    state.ask_save(save("a"), Millis(1)).unwrap();
}

#[test]
fn a_save_that_waits_for_another_gets_on_with_it() {
    let mut state = restored();
    state.open_save("interval", SaveReason::Interval, Millis(1));
    state.ask_save(save("before-stop"), Millis(2)).expect("it waits");
    let steps = |state: &State| state.status().save.map(|view| (view.id, view.steps));
    let told = steps(&state);
    state.update_save("interval", |view| view.bytes = 7);
    assert_ne!(steps(&state), told, "its bytes were read");
    let told = steps(&state);
    state.update_save("interval", |view| view.bytes = 7);
    assert_eq!(steps(&state), told, "nothing moved");
    assert_eq!(told.map(|(id, _)| id).as_deref(), Some("before-stop"));
}

#[test]
fn a_save_is_asked_for_once_and_one_at_a_time() {
    let mut state = restored();
    let first = state.ask_save(save("a"), Millis(1)).unwrap();
    assert_eq!(state.ask_save(save("a"), Millis(5)).unwrap(), first);
    assert!(matches!(
        state.ask_save(save("b"), Millis(2)),
        Err(DiskRefusal::Conflict(_))
    ));
    assert_eq!(state.take_save().unwrap().id, "a");
    assert!(matches!(
        state.ask_save(save("b"), Millis(2)),
        Err(DiskRefusal::Conflict(_))
    ));
    state.update_save("a", |view| view.stage = SaveStage::Failed);
    state.ask_save(save("b"), Millis(3)).unwrap();
    assert_eq!(state.save("a").unwrap().stage, SaveStage::Failed);
    for bad in ["", "a b", "../x", &"x".repeat(65)] {
        assert!(
            matches!(state.ask_save(save(bad), Millis(1)), Err(DiskRefusal::Invalid(_))),
            "{bad}"
        );
    }
}

#[test]
fn one_of_its_own_does_not_keep_anybody_from_asking() {
    let mut state = restored();
    state.open_save("interval-1", SaveReason::Interval, Millis(1));
    state.ask_save(save("a"), Millis(1)).unwrap();
    assert_eq!(state.status().save.unwrap().id, "a");
}

#[test]
fn nothing_is_taken_that_could_not_be_done() {
    let mut state = State::default();
    assert!(matches!(
        state.ask_save(save("a"), Millis(1)),
        Err(DiskRefusal::NotReady(_))
    ));
    assert!(matches!(state.ask_upkeep(upkeep("a")), Err(DiskRefusal::NotReady(_))));
    let mut state = restored();
    state.over = Some(4);
    assert!(matches!(
        state.ask_save(save("a"), Millis(1)),
        Err(DiskRefusal::Conflict(_))
    ));
    for (url, token, key) in [
        ("https://r.example/", "t", "k"),
        ("http://r.example/x", "t", "k"),
        ("http://r.example/?a", "t", "k"),
        ("/x/", "t", "k"),
        ("http://r.example/", "", "k"),
        ("http://r.example/", "a\r\nb", "k"),
        ("http://r.example/", "t", ""),
    ] {
        let access = RepositoryAccess {
            url: url.into(),
            token: token.into(),
            key: key.into(),
            until: Millis(1),
        };
        let refusal = state.renew(access).unwrap_err().to_string();
        assert!(refusal.starts_with("repository."), "{url}: {refusal}");
    }
    let never = BeginBoot {
        interval_ms: 0,
        ..begin(None, None)
    };
    assert!(matches!(State::default().begin(never), Err(DiskRefusal::Invalid(_))));
}

#[test]
fn upkeep_is_asked_for_once_and_one_at_a_time() {
    let mut state = restored();
    state.ask_upkeep(upkeep("a")).unwrap();
    state.ask_upkeep(upkeep("a")).unwrap();
    assert!(matches!(state.ask_upkeep(upkeep("b")), Err(DiskRefusal::Conflict(_))));
    state.take_upkeep().unwrap();
    assert!(state.take_upkeep().is_none());
    state.update_upkeep("a", |view| view.done = true);
    state.ask_upkeep(upkeep("b")).unwrap();
}

#[test]
fn a_stop_ends_what_was_only_asked_for() {
    let mut state = restored();
    state.ask_save(save("a"), Millis(1)).unwrap();
    state.ask_upkeep(upkeep("u")).unwrap();
    state.stop();
    assert_eq!(state.save("a").unwrap().stage, SaveStage::Failed);
    assert!(state.upkeep("u").unwrap().done && !state.is_asked());
    assert_eq!(state.ask_save(save("b"), Millis(1)), Err(DiskRefusal::Stopping));
    state.renew(access("late")).unwrap();
    let token = state.access.unwrap().token;
    assert_eq!(token, "late", "the last save may still need a token");
}

#[test]
fn old_saves_are_forgotten_and_secrets_are_not_printed() {
    let mut state = restored();
    for number in 0..40 {
        state.open_save(&format!("interval-{number}"), SaveReason::Interval, Millis(1));
    }
    assert!(state.save("interval-0").is_none() && state.save("interval-39").is_some());
    state.access = Some(access("top-secret"));
    assert!(!format!("{state:?}").contains("top-secret"));
}
