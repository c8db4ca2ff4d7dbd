use super::*;
use crate::uploads::bench::{Bench, FULL, block, fill, left, partial, reached, vanished};

const fn answered(progress: &Progress) -> bool {
    matches!(
        progress,
        Progress::Answered {
            status: 200,
            bytes: 3,
            ..
        }
    )
}

#[tokio::test]
async fn a_delivery_begins_once_the_disk_takes_that_it_does() {
    let state = tempfile::tempdir().unwrap();
    let id = left(state.path(), "/", Progress::Waiting).id;
    let bench = Bench::over(state).await;
    let upload = bench.uploads.find(&id).unwrap();
    fill(&bench.folder(&id));
    bench.agent_ready();
    vanished(&partial(&bench.folder(&id))).await;
    reached(&upload, answered).await;
}

#[tokio::test]
async fn an_outcome_is_kept_once_the_disk_takes_it() {
    let state = tempfile::tempdir().unwrap();
    let id = left(state.path(), FULL, Progress::Waiting).id;
    let bench = Bench::over(state).await;
    let upload = bench.uploads.find(&id).unwrap();
    bench.agent_ready();
    // The data goes first: it may be what fills the disk.
    vanished(&bench.folder(&id).join("data")).await;
    assert_eq!(upload.record().progress, Progress::Delivering);
    std::fs::remove_dir(partial(&bench.folder(&id))).unwrap();
    reached(&upload, answered).await;
}

#[tokio::test]
async fn one_that_is_removed_waits_for_no_disk() {
    let state = tempfile::tempdir().unwrap();
    let id = left(state.path(), "/", Progress::Waiting).id;
    let bench = Bench::over(state).await;
    let upload = bench.uploads.find(&id).unwrap();
    block(&bench.folder(&id));
    let weak = Arc::downgrade(&upload);
    bench.agent_ready();
    bench.uploads.remove(&upload).unwrap();
    drop(upload);
    let ended = async {
        while weak.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
    assert!(!bench.folder(&id).exists());
}
