//! A running sandbox.

use e2e_tests::people::User;
use e2e_tests::processes::tree;
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::io::Read;
use std::sync::Arc;

pub async fn read(stack: &Stack, user: &User, rest: &str) -> Reply {
    stack.get(&user.path(&format!("/files{rest}"))).admin().send().await
}

pub async fn put(stack: &Stack, user: &User, path: &str, body: impl Into<reqwest::Body>) -> Reply {
    let path = user.path(&format!("/files/{path}"));
    stack.call("PUT", &path).admin().body(body).send().await
}

pub async fn a_file_is_written_read_and_removed(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let written = put(&stack, &user, "a/b/note.txt?mode=640", "0123456789")
        .await
        .json(201);
    assert_eq!(
        (&written["success"], &written["bytesWritten"], &written["userId"]),
        (&json!(true), &json!(10), &json!(user.id))
    );
    assert_eq!(
        stack
            .sh(&user, "cd; cat a/b/note.txt; stat -c ' %a %U' a/b/note.txt")
            .await
            .trim(),
        "0123456789 640 agent"
    );
    let whole = read(&stack, &user, "/a/b/note.txt").await;
    assert_eq!(whole.expect(200).text(), "0123456789");
    assert_eq!(
        (whole.header("x-files-source"), whole.header("x-files-generation")),
        ("sandbox", "1")
    );
    assert_eq!(
        (whole.header("etag"), whole.header("accept-ranges")),
        (written["etag"].as_str().unwrap(), "bytes")
    );
    let path = user.path("/files/a/b/note.txt");
    let part = stack.get(&path).admin().header("range", "bytes=2-4").send().await;
    assert_eq!(
        (part.expect(206).text().as_str(), part.header("content-range")),
        ("234", "bytes 2-4/10")
    );
    stack
        .get(&path)
        .admin()
        .header("range", "bytes=10-")
        .send()
        .await
        .expect(416);
    stack
        .get(&path)
        .admin()
        .header("if-none-match", whole.header("etag"))
        .send()
        .await
        .expect(304);
    let head = stack.call("HEAD", &path).admin().send().await;
    assert_eq!(
        (head.expect(200).header("etag"), head.body.len()),
        (whole.header("etag"), 0)
    );
    assert_eq!(
        stack
            .call("HEAD", &user.path("/files/a"))
            .admin()
            .send()
            .await
            .expect(200)
            .header("x-files-kind"),
        "folder"
    );
    stack
        .call("HEAD", &user.path("/files/none"))
        .admin()
        .send()
        .await
        .expect(404);
    let stat = read(&stack, &user, "/a/b/note.txt?stat=1").await.json(200);
    assert_eq!(
        (&stat["kind"], &stat["size"], &stat["mode"]),
        (&json!("file"), &json!(10), &json!("0640"))
    );
    for (name, value, status) in [
        ("if-match", "\"old\"", 412),
        ("if-none-match", "*", 412),
        ("if-match", whole.header("etag"), 200),
    ] {
        stack
            .call("PUT", &path)
            .admin()
            .header(name, value)
            .body("other")
            .send()
            .await
            .expect(status);
    }
    for old in [
        "/files?path=/root/a/b",
        "/files?path=a/b",
        "/files/a/b/",
        "/files/a/b?list=1",
    ] {
        let list = stack.get(&user.path(old)).admin().send().await.json(200);
        assert_eq!(
            (list["path"].as_str(), list["entries"][0]["path"].as_str()),
            (Some("a/b"), Some("a/b/note.txt")),
            "{old}"
        );
    }
    let removed = stack.call("DELETE", &path).admin().send().await.json(200);
    assert_eq!(
        (&removed["success"], &removed["path"]),
        (&json!(true), &json!("a/b/note.txt"))
    );
    read(&stack, &user, "/a/b/note.txt").await.problem(404, "not_found");
    let folder = user.path("/files/a");
    stack
        .call("DELETE", &folder)
        .admin()
        .send()
        .await
        .problem(409, "not_empty");
    stack
        .call("DELETE", &format!("{folder}?recursive=1"))
        .admin()
        .send()
        .await
        .expect(200);
}

pub async fn odd_names_are_names(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    // Bytes that are no text, a line end, what means something in a URL, and what a URL would tidy up.
    for name in [
        "%FF%FE",
        "new%0Aline",
        "a%20b%2Bc%26d%3De%3Ff%23g",
        "%C3%BCber%F0%9F%98%80",
        "...",
        "%5C..%5C",
        "%2525",
        "caf%C3%A9%00",
    ] {
        let written = put(&stack, &user, &format!("odd/{name}"), name).await;
        if name.ends_with("%00") {
            written.names_field("path");
            continue;
        }
        written.expect(201);
        assert_eq!(
            read(&stack, &user, &format!("/odd/{name}")).await.expect(200).text(),
            name
        );
    }
    let list = read(&stack, &user, "/odd/").await.json(200);
    let entries = list["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 7, "{list}");
    for entry in entries {
        let path = entry["path"].as_str().unwrap();
        let text = read(&stack, &user, &format!("/{path}")).await.expect(200).text();
        assert_eq!(format!("odd/{text}"), path);
    }
}

pub async fn ten_thousand_entries_come_by_pages(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack
        .sh(&user, "mkdir ~/many && cd ~/many && seq -w 10000 | xargs touch")
        .await;
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = read(&stack, &user, &format!("/many?list=1&limit=1000&cursor={cursor}"))
            .await
            .json(200);
        names.extend(
            page["entries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    let expected: Vec<String> = (1..=10_000).map(|number| format!("{number:05}")).collect();
    assert_eq!(names, expected);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=%25", "cursor"),
        ("stat=1", "stat"),
        ("format=zip", "format"),
    ] {
        read(&stack, &user, &format!("/many?list=1&{query}"))
            .await
            .names_field(field);
    }
}

/// Most memory that the sandbox's `serve` has held, bytes.
async fn most_memory(stack: &Stack, user: &User) -> u64 {
    let init = stack.engine.only(user).await;
    let serve = tree(init)
        .into_iter()
        .find(|process| process.command.contains("sandboxd serve"))
        .expect("serve");
    let status = std::fs::read_to_string(format!("/proc/{}/status", serve.pid)).expect("its status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("its most memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

pub async fn two_hundred_megabytes_pass_and_memory_stays(stack: Arc<Stack>) {
    const SIZE: usize = 200 << 20;
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let before = most_memory(&stack, &user).await;
    let bytes: bytes::Bytes = (0..SIZE)
        .map(|at| (at.wrapping_mul(31) >> 7) as u8)
        .collect::<Vec<u8>>()
        .into();
    put(&stack, &user, "large", bytes.clone()).await.expect(201);
    let back = read(&stack, &user, "/large").await;
    assert!(back.expect(200).body == bytes, "the same bytes");
    let grown = most_memory(&stack, &user).await.saturating_sub(before);
    assert!(grown < 24 << 20, "sandboxd grew by {grown} bytes");
    println!("200 MiB there and back: sandboxd grew by {} KiB", grown >> 10);
}

pub async fn a_folder_comes_as_an_archive(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack
        .sh(
            &user,
            "mkdir -p ~/work/deep && cd ~/work && echo hello > deep/file && ln -s /etc/passwd link && mkfifo pipe",
        )
        .await;
    let archive = read(&stack, &user, "/work?format=tar").await;
    assert_eq!(archive.expect(200).header("content-type"), "application/x-tar");
    let mut found = Vec::new();
    for entry in tar::Archive::new(archive.body.as_ref()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let target = entry
            .link_name_bytes()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let path = String::from_utf8_lossy(&entry.path_bytes())
            .trim_end_matches('/')
            .to_owned();
        found.push((path, target, text));
    }
    found.sort();
    let file =
        |path: &str, target: Option<&str>, text: &str| (path.to_owned(), target.map(str::to_owned), text.to_owned());
    assert_eq!(
        found,
        [
            file("work", None, ""),
            file("work/deep", None, ""),
            file("work/deep/file", None, "hello\n"),
            file("work/link", Some("/etc/passwd"), "")
        ]
    );
}

pub async fn a_batch_has_an_outcome_for_each(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let batch = |operations: Value| {
        stack
            .post(&user.path("/files/batch"))
            .admin()
            .json(&json!({"operations": operations, "parallel": true}))
            .send()
    };
    let done = batch(
        json!([{"op": "write", "path": "a", "content": "x"}, {"op": "read", "path": "a"}, {"op": "exists", "path": "b"},
        {"op": "delete", "path": "b"}, {"op": "read", "path": "/etc/passwd"}]),
    )
    .await
    .json(200);
    assert_eq!(
        (&done["completed"], &done["succeeded"], &done["failed"], &done["userId"]),
        (&json!(5), &json!(3), &json!(2), &json!(user.id))
    );
    assert_eq!(done["results"][1]["content"], "x");
    assert_eq!(
        (&done["results"][3]["code"], &done["results"][4]["code"]),
        (&json!("not_found"), &json!("invalid_request"))
    );
    batch(json!([])).await.names_field("operations");
    batch(json!([{"op": "chmod", "path": "a"}])).await.names_field("body");
}

pub async fn the_cli_carries_files(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("here");
    std::fs::write(&here, "from here ü").unwrap();
    let (here, there) = (here.to_str().unwrap(), folder.path().join("there"));
    stack
        .molt(&["files", "put", &user.id, here, "in/new/place"])
        .await
        .done();
    stack
        .molt(&["files", "get", &user.id, "in/new/place", there.to_str().unwrap()])
        .await
        .done();
    assert_eq!(std::fs::read(&there).unwrap(), "from here ü".as_bytes());
    assert!(
        stack
            .molt(&["files", "ls", &user.id, "in/new"])
            .await
            .done()
            .ends_with(" place\n")
    );
    assert_eq!(
        stack.molt(&["files", "cat", &user.id, "in/new/place"]).await.done(),
        "from here ü"
    );
    let archive = stack.molt(&["files", "tar", &user.id, "in"]).await;
    assert_eq!(
        tar::Archive::new(archive.done().as_bytes()).entries().unwrap().count(),
        3
    );
    stack.molt(&["files", "rm", &user.id, "in", "--recursive"]).await.done();
    stack
        .molt(&["files", "cat", &user.id, "in/new/place"])
        .await
        .refused("not_found");
}

pub async fn contents_leave_a_trail(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    put(&stack, &user, "noted", "x").await.expect(201);
    read(&stack, &user, "/noted").await.expect(200);
    read(&stack, &user, "/noted?stat=1").await.expect(200);
    stack
        .call("DELETE", &user.path("/files/noted"))
        .admin()
        .send()
        .await
        .expect(200);
    let query = format!(
        "SELECT action, actor FROM audit WHERE chain = 'sandbox:{}' AND action LIKE 'files.%' ORDER BY seq",
        user.id
    );
    let expected: Vec<Value> = ["files.write", "files.read", "files.delete"]
        .iter()
        .map(|action| json!({"action": action, "actor": "bootstrap"}))
        .collect();
    e2e_tests::wait::until("the trail is copied", std::time::Duration::from_secs(30), async || {
        (stack.sql(&query).await == expected).then_some(())
    })
    .await;
}
