//! The same with `sandboxd snapshot` itself and a repository.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use molt_common::control::SupervisorPhase;
use molt_common::control::snapshot::RestoreStage;
use molt_common::snapshot::SnapshotId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use rusqlite::Connection;

use super::edge::{Edge, Mode};
use super::{Kept, NEVER, begin};
use crate::support::{cmdline, eventually, is_alive, tree};

/// Everything that a restore has to bring back: kind, mode, owner, time of change, and what is in it.
fn seen(home: &Path) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // The agent's configuration names its port, which is another one in each sandbox of a test.
            if path.ends_with(".openclaw") {
                continue;
            }
            let stat = path.symlink_metadata().unwrap();
            let inside = if stat.is_symlink() {
                format!("{:?}", std::fs::read_link(&path).unwrap())
            } else if stat.is_dir() {
                folders.push(path.clone());
                String::new()
            } else {
                format!("{:?}", std::fs::read(&path).unwrap())
            };
            let owner = if Uid::effective().is_root() { stat.uid() } else { 0 };
            let name = format!("{:?}", path.strip_prefix(home).unwrap());
            seen.insert(name, format!("{:o} {owner} {} {inside}", stat.mode(), stat.mtime()));
        }
    }
    seen
}

async fn next_boot(edge: &Edge, restore: SnapshotId) -> Kept {
    let kept = Kept::real();
    kept.begun(&begin(edge, Some(restore), edge.head(), NEVER)).await;
    let restored = kept
        .sandbox
        .status_where(|status| status.phase == SupervisorPhase::Ready || status.cause.is_some())
        .await;
    assert_eq!(restored.cause, None);
    kept
}

#[tokio::test]
async fn a_home_comes_back_as_it_was() {
    let edge = Edge::new().await;
    let kept = Kept::real();
    kept.begun(&begin(&edge, None, None, NEVER)).await;
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    let home = kept.sandbox.home();
    std::fs::create_dir_all(home.join("deep/.git")).unwrap();
    kept.write("deep/.git/HEAD", "ref");
    kept.write("odd \u{fc} \n name", "odd");
    symlink("nowhere", home.join("link")).unwrap();
    std::fs::set_permissions(home.join("deep/.git/HEAD"), std::fs::Permissions::from_mode(0o400)).unwrap();
    // Much of it in the write-ahead log only, which a reader holds open.
    let database = Connection::open(home.join("memory.db")).unwrap();
    database.pragma_update(None, "journal_mode", "wal").unwrap();
    database
        .execute_batch("create table t (n); insert into t values (1), (2), (3)")
        .unwrap();
    assert!(home.join("memory.db-wal").metadata().unwrap().len() > 0);
    let saved = kept.save("a").await;
    database.execute_batch("insert into t values (4)").unwrap();
    let changed = kept.save("b").await;
    assert_ne!(saved, changed, "what is written to the log is a change");
    drop(database);
    kept.write("last", "word");
    assert_eq!(kept.sandbox.stop().await.code(), Some(0));
    let before = edge.head().unwrap();
    assert_ne!(before, changed);

    let next = next_boot(&edge, before).await;
    assert_eq!(next.read("last").as_deref(), Some("word"));
    assert_eq!(next.read("deep/.git/HEAD").as_deref(), Some("ref"));
    assert_eq!(next.read("odd \u{fc} \n name").as_deref(), Some("odd"));
    let database = Connection::open(next.sandbox.home().join("memory.db")).unwrap();
    let whole: String = database
        .query_row("pragma integrity_check", [], |row| row.get(0))
        .unwrap();
    let rows: i64 = database
        .query_row("select count(*) from t", [], |row| row.get(0))
        .unwrap();
    assert_eq!((whole.as_str(), rows), ("ok", 4));
}

#[tokio::test]
async fn a_repository_that_lost_something_stops_the_start() {
    let edge = Edge::new().await;
    let kept = Kept::real();
    kept.begun(&begin(&edge, None, None, NEVER)).await;
    kept.sandbox.phase(SupervisorPhase::Ready).await;
    kept.write("file", "kept");
    let head = kept.save("a").await;
    kept.sandbox.stop().await;
    edge.state().repository.lose("data/");
    let kept = Kept::real();
    kept.begun(&begin(&edge, Some(head), edge.head(), NEVER)).await;
    let status = kept.restore_is(RestoreStage::Failed).await;
    assert!(
        status.restore_error.unwrap().contains("pack"),
        "it names what is missing"
    );
    assert_eq!(std::fs::read_dir(kept.sandbox.home()).unwrap().count(), 0);
}

#[tokio::test]
async fn whatever_is_killed_a_published_point_comes_back_as_it_was() {
    let edge = Edge::new().await;
    let mut kept = Kept::real();
    kept.begun(&begin(&edge, None, None, NEVER)).await;
    // What each published snapshot has to be, as it was when nothing wrote.
    for (round, wait_ms) in [0_u64, 20, 45, 80, 130].into_iter().enumerate() {
        kept.sandbox.phase(SupervisorPhase::Ready).await;
        for file in 0..40 {
            kept.write(&format!("{round}-{file}"), &"x".repeat(round * 1_000 + file));
        }
        let (id, before) = (format!("save-{round}"), seen(&kept.sandbox.home()));
        kept.ask_save(&id).await;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        // In turn the child, serve, and the way to the edge.
        match round % 3 {
            0 => {
                for child in children(kept.sandbox.init_pid()) {
                    let _ = kill(child, Signal::SIGKILL);
                }
            }
            1 => {
                let killed = kept.sandbox.serve_pid();
                kill(killed, Signal::SIGKILL).unwrap();
                eventually(|| async { (!is_alive(killed)).then_some(()) }).await;
                kept.sandbox.phase(SupervisorPhase::Ready).await;
                let restored = kept.snapshots().await.restored;
                kept.begun(&begin(&edge, restored, edge.head(), NEVER)).await;
            }
            _ => {
                edge.mode(Mode::Away);
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                edge.mode(Mode::Right);
            }
        }
        if kept.save_now(&id).await.is_some() {
            kept.saved(&id).await;
        }
        let head = kept.save(&format!("again-{round}")).await;
        assert_eq!(edge.head(), Some(head));
        // The sandbox is lost without a word.
        let next = next_boot(&edge, head).await;
        assert_eq!(seen(&next.sandbox.home()), before, "round {round}");
        kept = next;
    }
}

fn children(init: Pid) -> Vec<Pid> {
    let mut all = tree(init);
    all.retain(|pid| cmdline(*pid).ends_with("snapshot "));
    all
}
