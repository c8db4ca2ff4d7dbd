//! What is not clear, or not whole, waits for somebody who decides; nobody starts empty in silence.

use crate::archives::{OldHome, archive, decide, failed, previous, runs, told};
use e2e_tests::stack::Stack;
use serde_json::json;
use std::fs;
use std::sync::Arc;

pub async fn what_is_not_whole_fails_the_start_until_somebody_decides(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let home = OldHome::new("cut");
    home.furnish();
    let mut cut = home.packed();
    cut.truncate(cut.len() / 2);
    stack.put_object(&archive(&user), &cut).await;
    let cause = failed(&stack, &user).await;
    assert!(cause.contains("no copy") && cause.contains("backup.tar.gz"), "{cause}");
    assert_eq!(stack.backups(&user).await["summary"]["published"], 0);
    assert_eq!(
        stack.object(&archive(&user)).await,
        cut,
        "what was kept is never changed"
    );
    for (body, field) in [
        (json!({"source": "users/x/backup.tar.gz"}), "source"),
        (json!({"source": archive(&user), "discard": true}), "discard"),
    ] {
        let refused = stack
            .post(&user.path("/backups/import"))
            .admin()
            .json(&body)
            .send()
            .await;
        assert_eq!(refused.problem(400, "invalid_request")["field"], field);
    }
    let view = decide(&stack, &user, &json!({"discard": true})).await;
    assert_eq!(view["state"], "discarded", "{view}");
    runs(&stack, &user).await;
    assert_eq!(stack.sh(&user, "ls ~/openclaw 2>/dev/null | wc -l").await, "0\n");
    assert_eq!(stack.object(&archive(&user)).await, cut);
}

pub async fn a_home_that_shrank_waits_for_somebody(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let full = OldHome::new("full");
    let noise: Vec<u8> = (0..200_000_u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    full.write("openclaw/noise", &noise);
    stack.put_object(&previous(&user), &full.packed()).await;
    stack.put_object(&archive(&user), &OldHome::new("fresh").packed()).await;
    let view = told(&stack, &user).await;
    assert_eq!(
        (&view["state"], &view["takes"]),
        (&json!("undecided"), &json!([])),
        "{view}"
    );
    let cause = failed(&stack, &user).await;
    assert!(cause.contains("backup-archive.tar.gz has"), "{cause}");
    let view = decide(&stack, &user, &json!({"source": previous(&user)})).await;
    assert_eq!(
        (&view["state"], &view["takes"]),
        (&json!("due"), &json!([previous(&user)])),
        "{view}"
    );
    runs(&stack, &user).await;
    assert_eq!(
        stack
            .sh(&user, "cat ~/openclaw/letter; stat -c %s ~/openclaw/noise")
            .await,
        "full800000\n"
    );
}

pub async fn a_damaged_database_is_named(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let home = OldHome::new("mine");
    home.database(".openclaw/memory.sqlite");
    let file = home.root().join(".openclaw/memory.sqlite");
    let mut bytes = fs::read(&file).expect("a database");
    let (from, to) = (bytes.len() / 2, bytes.len() / 2 + 3_000);
    bytes[from..to].fill(0x5a);
    fs::write(&file, &bytes).expect("a file");
    stack.put_object(&archive(&user), &home.packed()).await;
    let cause = failed(&stack, &user).await;
    assert!(cause.contains("memory.sqlite") && cause.contains("damaged"), "{cause}");
    decide(&stack, &user, &json!({"acceptDamaged": true})).await;
    runs(&stack, &user).await;
    assert_eq!(
        stack
            .sh(&user, "cat ~/openclaw/letter; wc -c < ~/.openclaw/memory.sqlite")
            .await,
        format!("mine{}\n", bytes.len())
    );
    let report = told(&stack, &user).await["report"].clone();
    assert!(
        report["damaged"][0]
            .as_str()
            .is_some_and(|damaged| damaged.starts_with(".openclaw/memory.sqlite")),
        "{report}"
    );
}
