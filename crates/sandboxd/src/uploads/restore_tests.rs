use std::fs;

use super::bench::{Bench, block, left};
use super::record::Progress;

/// None of it may keep the sandbox from coming up.
#[tokio::test]
async fn uploads_are_restored_whatever_the_disk_refuses() {
    let state = tempfile::tempdir().unwrap();
    let cut = left(state.path(), "/", Progress::Delivering).id;
    let mut without_data = left(state.path(), "/", Progress::Receiving);
    without_data.unverified_from = Some(1);
    let folder = state.path().join("uploads");
    let record = serde_json::to_vec(&without_data).unwrap();
    fs::write(folder.join(without_data.id.as_str()).join("record.json"), record).unwrap();
    fs::remove_file(folder.join(without_data.id.as_str()).join("data")).unwrap();
    block(&folder.join(cut.as_str()));
    // No folder that could be removed.
    fs::write(folder.join("stray"), "").unwrap();
    let bench = Bench::over(state).await;
    let found = |id| bench.uploads.find(id).unwrap().record().progress;
    assert_eq!(found(&cut), Progress::interrupted());
    assert_eq!(found(&without_data.id), Progress::Receiving);
}
