//! Many at once, many altogether, and much.

use e2e_tests::stack::Stack;
use e2e_tests::transfer::{self, MIB};
use futures_util::{StreamExt, future, stream};
use molt_common::repository_token::Access;
use molt_common::snapshot::ObjectId;
use serde_json::Value;
use std::sync::Arc;

/// More than two pages of a bucket's list.
const MANY: u32 = 2_050;
/// Packs that are under way together.
const AT_ONCE: usize = 4;
/// What workerd may take for 200 MiB, bytes: four packs at once through two workers and the stand-in of the bucket, beside other tests of the group.
const MOST_GROWTH: u64 = 64 * MIB;

pub async fn sixteen_at_once_store_one(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let bytes = vec![b'p'; 4 << 20];
    let stored = future::join_all((0..16).map(|_| repository.store("data", bytes.clone()))).await;
    let id = ObjectId::of(&bytes);
    assert!(stored.iter().all(|one| *one == id));
    assert_eq!(repository.names("data").await, [id.to_string()]);
    let read = repository
        .call(Access::Read, "GET", &format!("restic/data/{id}"))
        .send()
        .await;
    assert!(read.expect(200).body == bytes, "other bytes");
}

pub async fn thousands_are_listed(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let stored = stream::iter((0..MANY).map(|number| repository.store("index", number.to_le_bytes().to_vec())));
    let mut expected: Vec<String> = stored.buffer_unordered(16).map(|id| id.to_string()).collect().await;
    expected.sort();
    assert_eq!(repository.names("index").await, expected);
    let sizes = repository.call(Access::Read, "GET", "restic/index/");
    let sizes = sizes.header("accept", "application/vnd.x.restic.rest.v2").send().await;
    let sizes: Vec<Value> = serde_json::from_slice(&sizes.expect(200).body).expect("a list");
    assert_eq!(sizes.len(), expected.len());
    assert!(sizes.iter().all(|entry| entry["size"] == 4));
}

pub async fn two_hundred_mebibytes_pass_in_flat_memory(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let repository = stack.repository(&user);
    let file = transfer::file(200 * MIB);
    let bytes = std::fs::read(file.path()).expect("a file");
    let packs: Vec<Vec<u8>> = bytes.chunks(4 << 20).map(<[u8]>::to_vec).collect();
    drop(bytes);
    let read = async |id: ObjectId| {
        let reply = repository
            .call(Access::Read, "GET", &format!("restic/data/{id}"))
            .send()
            .await;
        assert_eq!(ObjectId::of(&reply.expect(200).body), id, "other bytes");
    };
    // What the first of them bring about once is no growth.
    let first = stream::iter((0..16).map(|number| repository.store("data", vec![number; 4 << 20])));
    let first: Vec<ObjectId> = first.buffer_unordered(AT_ONCE).collect().await;
    stream::iter(first).map(read).buffer_unordered(AT_ONCE).count().await;
    let ids: Vec<ObjectId> = packs.iter().map(|pack| ObjectId::of(pack)).collect();
    let up = stream::iter(packs.into_iter().map(|pack| repository.store("data", pack)));
    transfer::beside(&stack, "packs up", MOST_GROWTH, up.buffer_unordered(AT_ONCE).count()).await;
    let down = stream::iter(ids).map(read);
    transfer::beside(
        &stack,
        "packs down",
        MOST_GROWTH,
        down.buffer_unordered(AT_ONCE).count(),
    )
    .await;
}
