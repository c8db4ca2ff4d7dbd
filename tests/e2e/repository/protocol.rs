//! restic's REST protocol, call by call.

use e2e_tests::stack::Stack;
use futures_util::stream;
use molt_common::repository_token::Access;
use molt_common::snapshot::ObjectId;
use serde_json::{Value, json};
use std::sync::Arc;

const V2: &str = "application/vnd.x.restic.rest.v2";

pub async fn an_object_is_stored_once_and_read_in_spans(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let create = repository
        .call(Access::Append, "POST", "restic/?create=true")
        .send()
        .await;
    create.expect(200);
    let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let id = ObjectId::of(&bytes);
    let path = format!("restic/data/{id}");
    let read = |method: &'static str| repository.call(Access::Read, method, &path);
    read("GET").send().await.problem(404, "not_found");
    read("HEAD").send().await.expect(404);
    assert_eq!(repository.store("data", bytes.clone()).await, id);
    // The answer to the first one may have been lost.
    repository.store("data", bytes.clone()).await;
    let head = read("HEAD").send().await;
    assert_eq!(head.expect(200).header("content-length"), "400000");
    let whole = read("GET").send().await;
    assert_eq!(whole.expect(200).header("content-length"), "400000");
    assert!(whole.body == bytes, "other bytes");
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=1000-1999", 1_000, 2_000),
        ("bytes=399999-500000", 399_999, 400_000),
        ("bytes=300000-", 300_000, 400_000),
        ("bytes=-7", 399_993, 400_000),
    ] {
        let part = read("GET").header("range", range).send().await;
        part.expect(206);
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/400000", to - 1));
        assert_eq!(part.header("content-length"), (to - from).to_string(), "{range}");
        assert!(part.body == bytes[from..to], "{range}: other bytes");
    }
    for range in ["bytes=400000-", "bytes=400000-400001", "bytes=-0"] {
        let none = read("GET").header("range", range).send().await;
        none.problem(416, "range_not_satisfiable");
        assert_eq!(none.header("content-range"), "bytes */400000");
    }
    for ignored in ["bytes=2-1", "lines=0-1", "bytes=0-1,5-6"] {
        assert_eq!(
            read("GET").header("range", ignored).send().await.expect(200).body.len(),
            400_000
        );
    }
    let remove = || repository.call(Access::Full, "DELETE", &path).send();
    remove().await.expect(200);
    remove().await.expect(200);
    read("HEAD").send().await.expect(404);
}

pub async fn bytes_of_another_name_are_refused(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    for kind in ["keys", "locks", "snapshots", "index", "data"] {
        let id = ObjectId::of(b"what was meant");
        let path = format!("restic/{kind}/{id}");
        let sent = repository.call(Access::Full, "POST", &path).body("what was sent");
        sent.send().await.problem(400, "wrong_digest");
        repository.call(Access::Read, "HEAD", &path).send().await.expect(404);
        assert!(repository.names(kind).await.is_empty());
    }
}

pub async fn a_configuration_is_written_once(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let write = |text: &'static str| repository.call(Access::Full, "POST", "restic/config").body(text).send();
    write("one").await.expect(200);
    write("one").await.expect(200);
    write("two").await.problem(409, "config_exists");
    let read = repository.call(Access::Read, "GET", "restic/config").send().await;
    assert_eq!(read.expect(200).text(), "one");
}

pub async fn names_and_methods_are_those_of_the_protocol(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let id = ObjectId::of(b"x").to_string();
    for rest in [
        "restic".to_owned(),
        "restic/data".into(),
        "restic/tmp/".into(),
        format!("restic/data/{}", id.to_uppercase()),
        format!("restic/data/{}", &id[1..]),
        format!("restic/data/{id}/x"),
        "restic/config/x".into(),
        "else".into(),
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = repository.call(Access::Full, method, &rest).send().await;
            let problem = answer.problem(400, "invalid_request");
            assert_eq!(problem["field"], "path", "{method} {rest}");
        }
    }
    for (method, rest) in [
        ("PUT", "restic/config"),
        ("DELETE", "restic/"),
        ("GET", "publish"),
        ("PATCH", "restic/data/"),
    ] {
        let answer = repository.call(Access::Full, method, rest).send().await;
        answer.problem(405, "method_not_allowed");
    }
    let nothing = repository.call(Access::Full, "POST", "restic/").send().await;
    nothing.problem(400, "invalid_request");
}

pub async fn a_body_is_bounded(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let post = |kind: &str, id: ObjectId| repository.call(Access::Append, "POST", &format!("restic/{kind}/{id}"));
    // In pieces, without a length. No more than shows it: the server of development loses an answer that comes while much of a body is still to be sent.
    let pieces = |bytes: usize| {
        let sizes = (0..bytes).step_by(1 << 20).map(move |sent| (bytes - sent).min(1 << 20));
        reqwest::Body::wrap_stream(stream::iter(
            sizes.map(|size| Ok::<_, std::io::Error>(vec![b'x'; size])),
        ))
    };
    let id = ObjectId::of(&vec![b'x'; 5 << 20]);
    post("data", id).body(pieces(5 << 20)).send().await.expect(200);
    let head = repository
        .call(Access::Read, "HEAD", &format!("restic/data/{id}"))
        .send()
        .await;
    assert_eq!(head.expect(200).header("content-length"), (5 << 20).to_string());
    let long = (16 << 20) + 1;
    post("data", ObjectId::of(&vec![b'x'; long]))
        .body(pieces(long))
        .send()
        .await
        .problem(411, "length_required");
    let lock = vec![b'x'; (64 << 10) + 1];
    let id = ObjectId::of(&lock);
    post("locks", id)
        .body(pieces(lock.len()))
        .send()
        .await
        .problem(413, "too_large");
    post("locks", id).body(lock).send().await.problem(413, "too_large");
    assert!(repository.names("locks").await.is_empty());
    let config = repository.call(Access::Append, "POST", "restic/config");
    config.body(vec![b'x'; 70_000]).send().await.problem(413, "too_large");
}

pub async fn lists_are_those_of_both_versions(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let list = |accept: &'static str| {
        let call = repository.call(Access::Read, "GET", "restic/snapshots/");
        call.header("accept", accept).send()
    };
    assert_eq!(list(V2).await.expect(200).text(), "[]");
    let (one, two) = (
        repository.store("snapshots", b"one".to_vec()).await,
        repository.store("snapshots", b"second".to_vec()).await,
    );
    let mut expected = vec![json!({"name": one, "size": 3}), json!({"name": two, "size": 6})];
    expected.sort_by_key(|entry| entry["name"].as_str().map(str::to_owned));
    let second = list(V2).await;
    assert_eq!(second.expect(200).header("content-type"), V2);
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&second.body).unwrap(), expected);
    let first = list("*/*").await;
    assert_eq!(
        first.expect(200).header("content-type"),
        "application/vnd.x.restic.rest.v1"
    );
    let names: Vec<Value> = expected.into_iter().map(|mut entry| entry["name"].take()).collect();
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&first.body).unwrap(), names);
}
