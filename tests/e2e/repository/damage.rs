//! Objects of the bucket that were changed, cut or lost behind everybody's back.

use e2e_tests::repository::has_restic;
use e2e_tests::stack::Stack;
use e2e_tests::tree_of_files::write_tree;
use molt_common::repository_token::Access;
use molt_common::snapshot::ObjectId;
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

pub async fn restic_names_what_is_damaged(stack: Arc<Stack>) {
    if !has_restic() {
        return;
    }
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let from = TempDir::new().unwrap();
    write_tree(from.path(), 10, 2 << 20);
    repository.restic(Access::Append, &["init"]).await.succeeded();
    let home = from.path().to_string_lossy().into_owned();
    repository.restic(Access::Append, &["backup", &home]).await.succeeded();
    let check = async || repository.restic(Access::Append, &["check", "--read-data"]).await;
    check().await.succeeded();
    let pack = repository.names("data").await.swap_remove(0);
    let id = ObjectId::parse(&pack).unwrap();
    let file = repository.file(&id);
    let whole = fs::read(&file).unwrap();
    let names_it = async |how: &str| {
        let ran = check().await;
        // restic shortens names to eight digits here and there.
        assert!(!ran.ok && ran.told.contains(&pack[..8]), "{how}: {}", ran.told);
    };
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&file, &changed).unwrap();
    names_it("a bit was changed").await;
    fs::write(&file, &whole[..middle]).unwrap();
    names_it("half of it is gone").await;
    fs::write(&file, &whole).unwrap();
    check().await.succeeded();
    let remove = repository.call(Access::Full, "DELETE", &format!("restic/data/{pack}"));
    remove.send().await.expect(200);
    names_it("it is gone").await;
}
