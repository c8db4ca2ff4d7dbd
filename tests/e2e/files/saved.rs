//! Snapshots.

use crate::running::{put, read};
use e2e_tests::changes::ended;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use serde_json::json;
use std::sync::Arc;

/// A sandbox that runs on what was saved when it was restarted.
async fn saved(stack: &Stack) -> User {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "cd; mkdir -p odd deep/er; echo before > note; printf x > odd/$(printf '\\377'); ln -s note link; seq -w 1200 | xargs -I{} touch deep/er/{}").await;
    let large: Vec<u8> = (0_u64..12 << 20)
        .map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect();
    put(stack, &user, "large", large).await.expect(201);
    let job = stack
        .changed(&user, "POST", "restart", &json!({"scope": "sandbox"}))
        .await;
    ended(&job, "succeeded");
    stack.awake(&user).await;
    user
}

pub async fn what_was_saved_is_read_while_the_disk_goes_on(stack: Arc<Stack>) {
    let user = saved(&stack).await;
    put(&stack, &user, "note", "after").await.expect(200);
    assert_eq!(read(&stack, &user, "/note").await.expect(200).text(), "after");
    let note = read(&stack, &user, "/note?source=snapshot").await;
    assert_eq!(
        (note.expect(200).text().as_str(), note.header("x-files-source")),
        ("before\n", "snapshot")
    );
    assert_eq!(
        (note.header("x-files-generation"), note.header("x-files-snapshot").len()),
        ("1", 64)
    );
    assert!(note.header("x-files-taken-at").ends_with('Z'));
    let named = format!("?snapshot={}", note.header("x-files-snapshot"));
    assert_eq!(
        read(&stack, &user, &format!("/odd/%FF{named}"))
            .await
            .expect(200)
            .text(),
        "x"
    );
    let live = read(&stack, &user, "/large?source=sandbox").await;
    let large = read(&stack, &user, &format!("/large{named}")).await;
    assert!(large.expect(200).body == live.expect(200).body && large.body.len() == 12 << 20);
    let path = user.path(&format!("/files/large{named}"));
    let part = stack
        .get(&path)
        .admin()
        .header("range", "bytes=5000000-9000000")
        .send()
        .await;
    assert!(part.expect(206).body == live.body[5_000_000..=9_000_000]);
    assert_eq!(
        part.header("content-range"),
        format!("bytes 5000000-9000000/{}", 12 << 20)
    );
    stack
        .get(&path)
        .admin()
        .header("if-none-match", large.header("etag"))
        .send()
        .await
        .expect(304);
    let head = stack.call("HEAD", &path).admin().send().await;
    assert_eq!(head.expect(200).header("etag"), large.header("etag"));
    let link = read(&stack, &user, "/link?stat=1&source=r2").await.json(200);
    assert_eq!((&link["kind"], &link["target"]), (&json!("link"), &json!("note")));
    let first = read(&stack, &user, "/deep/er/?source=snapshot&limit=1000")
        .await
        .json(200);
    let cursor = first["nextCursor"].as_str().expect("a second page");
    let second = read(
        &stack,
        &user,
        &format!("/deep/er/?source=snapshot&limit=1000&cursor={cursor}"),
    )
    .await
    .json(200);
    let count = |page: &serde_json::Value| page["entries"].as_array().unwrap().len();
    assert_eq!(
        (count(&first), count(&second), &second["nextCursor"]),
        (1_000, 200, &json!(null))
    );
    read(&stack, &user, "/nowhere?source=snapshot")
        .await
        .problem(404, "not_found");
    read(&stack, &user, "/note/x?source=snapshot")
        .await
        .problem(409, "not_a_folder");
    read(&stack, &user, "/deep?source=snapshot")
        .await
        .problem(409, "is_a_folder");
    read(&stack, &user, "/link?source=snapshot")
        .await
        .problem(409, "not_a_file");
    read(&stack, &user, &format!("/note?snapshot={}", "0".repeat(64)))
        .await
        .problem(404, "no_snapshot");
}

pub async fn a_snapshot_is_never_written(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    put(&stack, &user, "a?source=snapshot", "x")
        .await
        .problem(400, "read_only");
    let path = user.path(&format!("/files/a?snapshot={}", "0".repeat(64)));
    stack
        .call("DELETE", &path)
        .admin()
        .send()
        .await
        .problem(400, "read_only");
}
