//! Debian's restic through the router.

use e2e_tests::repository::has_restic;
use e2e_tests::stack::Stack;
use e2e_tests::tree_of_files::{listing, write_tree};
use molt_common::repository_token::Access;
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;

pub async fn what_is_saved_is_restored_byte_for_byte(stack: Arc<Stack>) {
    if !has_restic() {
        return;
    }
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    write_tree(from.path(), 300, 12 << 20);
    let home = from.path().to_string_lossy().into_owned();
    let restic = async |access, arguments: &[&str]| repository.restic(access, arguments).await.succeeded();
    restic(Access::Append, &["init"]).await;
    restic(Access::Append, &["backup", "--pack-size", "4", &home]).await;
    std::fs::write(from.path().join("later"), "something more").unwrap();
    restic(Access::Append, &["backup", "--pack-size", "4", &home]).await;
    restic(Access::Append, &["check", "--read-data"]).await;
    let list = restic(Access::Append, &["snapshots", "--json"]).await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&list).unwrap().len(), 2);
    // Who may only read takes no lock.
    let files = restic(Access::Read, &["ls", "--no-lock", "latest"]).await;
    assert!(files.contains("/later"), "{files}");
    let target = to.path().to_string_lossy().into_owned();
    restic(Access::Read, &["restore", "--no-lock", "latest", "--target", &target]).await;
    let restored = to.path().join(home.trim_start_matches('/'));
    assert_eq!(listing(&restored), listing(from.path()));
    assert!(
        repository.names("locks").await.is_empty(),
        "locks were taken away again"
    );
    let largest = repository.call(Access::Read, "GET", "restic/data/");
    let largest = largest
        .header("accept", "application/vnd.x.restic.rest.v2")
        .send()
        .await;
    let packs: Vec<Value> = serde_json::from_slice(&largest.body).unwrap();
    assert!(
        packs.len() > 2 && packs.iter().all(|pack| pack["size"].as_u64() < Some(9 << 20)),
        "{packs:?}"
    );
}

pub async fn who_only_adds_loses_nothing(stack: Arc<Stack>) {
    if !has_restic() {
        return;
    }
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let from = TempDir::new().unwrap();
    write_tree(from.path(), 20, 1 << 20);
    let home = from.path().to_string_lossy().into_owned();
    repository.restic(Access::Append, &["init"]).await.succeeded();
    repository.restic(Access::Append, &["backup", &home]).await.succeeded();
    let kinds = ["keys", "snapshots", "index", "data"];
    let everything = async || {
        let mut all = Vec::new();
        for kind in kinds {
            all.extend(repository.names(kind).await);
        }
        all
    };
    let before = everything().await;
    let forget = ["forget", "--prune", "--keep-tag", "none", "latest"];
    let refused = repository.restic(Access::Append, &forget).await;
    assert!(!refused.ok && refused.told.contains("403"), "{}", refused.told);
    assert_eq!(everything().await, before);
    repository
        .restic(Access::Append, &["check", "--read-data"])
        .await
        .succeeded();
    repository.restic(Access::Full, &forget).await.succeeded();
    assert!(repository.names("snapshots").await.is_empty() && repository.names("data").await.is_empty());
}
