use std::fs;

use super::MOST;
use super::bench::{Bench, left, wish};
use super::record::Progress;

#[tokio::test]
async fn a_creation_that_is_refused_costs_nobody_an_answer() {
    let state = tempfile::tempdir().unwrap();
    let answered = Progress::Answered {
        status: 200,
        headers: Vec::new(),
        bytes: 0,
    };
    let id = left(state.path(), "/", answered).id;
    let bench = Bench::over(state).await;
    for _ in 1..MOST {
        bench.created(1);
    }
    let away = bench.all().with_extension("away");
    fs::rename(bench.all(), &away).unwrap();
    assert!(bench.uploads.create(wish(1)).is_err());
    fs::rename(&away, bench.all()).unwrap();
    assert!(bench.uploads.find(&id).is_ok() && bench.folder(&id).exists());
    bench.created(1);
    assert!(bench.uploads.find(&id).is_err() && !bench.folder(&id).exists());
    assert_eq!(bench.uploads.table().len(), MOST);
}
