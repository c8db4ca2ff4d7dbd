use std::fs;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::*;
use crate::http_server::Body;
use crate::proxy::{Exchange, Session, Sessions};
use crate::uploads::bench::{Bench, fill, reached};

/// The body of a request that has come whole, and the client's end of its connection.
async fn body(bytes: &str) -> (Incoming, DuplexStream) {
    let (mut client, server) = tokio::io::duplex(4096);
    let (sender, mut requests) = mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<Incoming>| {
        sender.send(request.into_body()).unwrap();
        std::future::pending::<std::io::Result<Response<Body>>>()
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), service));
    let request = format!("PATCH / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{bytes}", bytes.len());
    client.write_all(request.as_bytes()).await.unwrap();
    (requests.recv().await.unwrap(), client)
}

fn session() -> Admitted {
    let sessions = Arc::<Sessions>::default();
    sessions.admit(Session::default(), Exchange::Http).unwrap()
}

#[tokio::test]
async fn a_part_ends_also_when_its_client_does_not_wait_for_the_answer() {
    let bench = Bench::new().await;
    let upload = bench.created(3);
    let (body, _client) = body("abc").await;
    let part = Part {
        offset: 0,
        checksum: None,
        body: Some(body),
    };
    // Dropped where it waits for the first time.
    assert!(bench.uploads.append(&upload, part, session()).now_or_never().is_none());
    reached(&upload, |progress| *progress == Progress::Waiting).await;
    bench.agent_ready();
    reached(&upload, |progress| {
        matches!(progress, Progress::Answered { bytes: 3, .. })
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_is_whole_is_delivered_by_whoever_asks_next() {
    let bench = Bench::new().await;
    let upload = bench.created(3);
    let folder = bench.folder(&upload.record().id);
    fs::write(folder.join("data"), "abc").unwrap();
    // No offset that a client would take for the end of it.
    fill(&folder);
    assert_eq!(bench.uploads.settled_offset(&upload).await.unwrap_err().status, 507);
    assert_eq!(upload.record().progress, Progress::Receiving);
    assert_eq!(bench.uploads.settled_offset(&upload).await.unwrap(), 3);
    assert_eq!(upload.record().progress, Progress::Waiting);
    bench.agent_ready();
    reached(&upload, |progress| {
        matches!(progress, Progress::Answered { bytes: 3, .. })
    })
    .await;
}

#[tokio::test]
async fn bytes_that_were_never_verified_do_not_count() {
    let bench = Bench::new().await;
    let upload = bench.created(3);
    let data = bench.folder(&upload.record().id).join("data");
    for left in ["aX", "aXX"] {
        bench
            .uploads
            .change(&upload, |record| record.unverified_from = Some(1))
            .unwrap();
        fs::write(&data, left).unwrap();
        assert_eq!(bench.uploads.settled_offset(&upload).await.unwrap(), 1);
        assert_eq!(fs::read_to_string(&data).unwrap(), "a");
    }
    let (body, _client) = body("bc").await;
    let part = Part {
        offset: 1,
        checksum: Some(Checksum::Sha256(Sha256::digest("bc").into())),
        body: Some(body),
    };
    assert_eq!(bench.uploads.append(&upload, part, session()).await.unwrap(), 3);
    assert_eq!(fs::read_to_string(&data).unwrap(), "abc");
}
