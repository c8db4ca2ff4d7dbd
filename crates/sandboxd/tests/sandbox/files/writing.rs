//! Writing and removing.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use molt_common::control::files::{BatchOutcome, FileWritten};
use nix::unistd::Uid;
use reqwest::Method;
use serde_json::json;

use super::{files, get, put, refused};
use crate::support::Sandbox;

#[tokio::test]
async fn what_is_written_is_the_agents_and_there_at_once_or_not() {
    let sandbox = Sandbox::ready().await;
    let written = put(&sandbox, "path=new/deep/note.txt&mode=640", "hello").await;
    assert_eq!(written.status(), 201);
    let written: FileWritten = written.json().await.unwrap();
    assert_eq!(
        (written.path.as_str(), written.bytes_written, written.created),
        ("new/deep/note.txt", 5, true)
    );
    let place = sandbox.home().join("new/deep/note.txt");
    let about = fs::metadata(&place).unwrap();
    assert_eq!(about.permissions().mode() & 0o7777, 0o640);
    if Uid::effective().is_root() {
        for path in ["new", "new/deep", "new/deep/note.txt"] {
            let about = fs::metadata(sandbox.home().join(path)).unwrap();
            assert_eq!((about.uid(), about.gid()), (1000, 1000), "{path}");
        }
    }
    // Permissions stay, the version is another one.
    let again: FileWritten = put(&sandbox, "path=new/deep/note.txt", "other")
        .await
        .json()
        .await
        .unwrap();
    assert!(!again.created && again.etag != written.etag);
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o7777, 0o640);
    for (name, value, status) in [
        ("if-match", written.etag.as_str(), 412),
        ("if-none-match", "*", 412),
        ("if-none-match", "\"x\"", 400),
        ("if-match", again.etag.as_str(), 200),
    ] {
        let request = files(&sandbox, Method::PUT, "path=new/deep/note.txt")
            .header(name, value)
            .body("third");
        assert_eq!(
            request.send().await.unwrap().status().as_u16(),
            status,
            "{name}: {value}"
        );
    }
    let absent = files(&sandbox, Method::PUT, "path=another")
        .header("if-match", "*")
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(refused(absent).await, (412, "precondition_failed".to_owned()));
    assert_eq!(fs::read_to_string(&place).unwrap(), "third");
    assert_eq!(leftovers(&sandbox), Vec::<String>::new());
}

fn leftovers(sandbox: &Sandbox) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "new", "new/deep"] {
        let entries = fs::read_dir(sandbox.home().join(folder))
            .into_iter()
            .flatten()
            .flatten();
        found.extend(
            entries
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|name| name.ends_with(".part")),
        );
    }
    found
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_what_was_there() {
    use tokio::io::AsyncWriteExt;
    let sandbox = Sandbox::ready().await;
    put(&sandbox, "path=note", "before").await;
    let address = sandbox.control_address();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT /v1/files?path=note HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 1000000\r\n\r\n",
        crate::support::TOKEN
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&[b'x'; 500_000]).await.unwrap();
    crate::support::eventually(|| async { (!leftovers(&sandbox).is_empty()).then_some(()) }).await;
    drop(socket);
    crate::support::eventually(|| async { leftovers(&sandbox).is_empty().then_some(()) }).await;
    assert_eq!(fs::read_to_string(sandbox.home().join("note")).unwrap(), "before");
}

#[tokio::test]
async fn folders_go_only_with_everything_when_that_is_asked() {
    let sandbox = Sandbox::ready().await;
    put(&sandbox, "path=tree/a/b/c", "x").await;
    put(&sandbox, "path=kept", "x").await;
    symlink(sandbox.home().join("kept"), sandbox.home().join("tree/a/link")).unwrap();
    let delete = async |query: &str| files(&sandbox, Method::DELETE, query).send().await.unwrap();
    assert_eq!(refused(delete("path=tree").await).await, (409, "not_empty".to_owned()));
    assert_eq!(
        refused(delete("path=").await).await,
        (400, "invalid_request".to_owned())
    );
    assert_eq!(
        refused(delete("path=&recursive=1").await).await,
        (400, "invalid_request".to_owned())
    );
    assert_eq!(delete("path=tree&recursive=1").await.status(), 204);
    assert_eq!(refused(delete("path=tree").await).await, (404, "not_found".to_owned()));
    assert_eq!(
        get(&sandbox, "path=kept").await.text().await.unwrap(),
        "x",
        "what a link led to"
    );
    assert_eq!(delete("path=kept").await.status(), 204);
}

#[tokio::test]
async fn each_operation_of_a_batch_has_its_own_outcome() {
    let sandbox = Sandbox::ready().await;
    let batch = json!({"operations": [
        {"op": "write", "path": "a/text", "content": "hello", "mode": "600"},
        {"op": "write", "path": "a/bytes", "contentBase64": "/w=="},
        {"op": "read", "path": "a/text"},
        {"op": "read", "path": "a/bytes"},
        {"op": "read", "path": "../etc/passwd"},
        {"op": "exists", "path": "a/none"},
        {"op": "exists", "path": "a/text"},
        {"op": "stat", "path": "a"},
        {"op": "delete", "path": "a"},
        {"op": "delete", "path": "a/text"},
        {"op": "write", "path": "a/text"},
        {"op": "read", "path": "a/bytes", "content": "x"},
    ]});
    let answer = sandbox
        .control(Method::POST, "/v1/files/batch")
        .json(&batch)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let outcome: BatchOutcome = answer.json().await.unwrap();
    let codes: Vec<Option<&str>> = outcome.results.iter().map(|result| result.code.as_deref()).collect();
    let bad = Some("invalid_request");
    assert_eq!(
        codes,
        [
            None,
            None,
            None,
            None,
            bad,
            None,
            None,
            None,
            Some("not_empty"),
            None,
            bad,
            bad
        ]
    );
    assert_eq!(outcome.results[2].content.as_deref(), Some("hello"));
    assert_eq!(outcome.results[3].content_base64.as_deref(), Some("/w=="));
    assert_eq!(
        (outcome.results[5].exists, outcome.results[6].exists),
        (Some(false), Some(true))
    );
    assert_eq!((outcome.completed, outcome.succeeded, outcome.failed), (12, 8, 4));
    for (operations, status) in [(0, 400), (50, 200), (51, 400)] {
        let operations = vec![json!({"op": "exists", "path": "a"}); operations];
        let answer = sandbox
            .control(Method::POST, "/v1/files/batch")
            .json(&json!({"operations": operations}));
        assert_eq!(answer.send().await.unwrap().status().as_u16(), status);
    }
}
