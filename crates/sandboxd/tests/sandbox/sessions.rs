//! Sockets and streams end with the session that opened them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use molt_common::control::{EndSessions, SessionEnd, SessionsEnded, header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{OWNER, PATIENCE, Sandbox, error_of};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const FIRST: &str = "s00000000000000000000000000000001";
const SECOND: &str = "s00000000000000000000000000000002";

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

async fn connect(sandbox: &Sandbox, session: &str, until: u64) -> Result<Socket, Error> {
    let mut request = format!("ws://{}", sandbox.proxy_address("/"))
        .into_client_request()
        .unwrap();
    let headers = request.headers_mut();
    headers.insert(header::USER, OWNER.parse().unwrap());
    headers.insert(header::SESSION, session.parse().unwrap());
    headers.insert(header::SESSION_UNTIL, until.to_string().parse().unwrap());
    let mut socket = connect_async(request).await?.0;
    // The agent's first frame.
    socket.next().await.unwrap().unwrap();
    Ok(socket)
}

async fn open(sandbox: &Sandbox, session: &str) -> Socket {
    connect(sandbox, session, now_ms() + 600_000).await.unwrap()
}

async fn end(sandbox: &Sandbox, session: Option<&str>, reason: SessionEnd) -> u32 {
    let wanted = EndSessions {
        session: session.map(str::to_owned),
        reason,
    };
    let answer = sandbox
        .control(Method::POST, "/v1/sessions/end")
        .json(&wanted)
        .send()
        .await;
    let answer = answer.unwrap().error_for_status().unwrap();
    answer.json::<SessionsEnded>().await.unwrap().sockets
}

async fn closed(socket: &mut Socket) -> (u16, String) {
    let next = tokio::time::timeout(PATIENCE, socket.next())
        .await
        .expect("a close frame");
    match next.unwrap().unwrap() {
        Message::Close(Some(close)) => (close.code.into(), close.reason.to_string()),
        other => panic!("no close: {other:?}"),
    }
}

async fn echoes(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
}

fn refused(outcome: Result<Socket, Error>) -> StatusCode {
    match outcome {
        Err(Error::Http(answer)) => StatusCode::from_u16(answer.status().as_u16()).unwrap(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it opened"),
    }
}

#[tokio::test]
async fn an_ended_session_closes_its_sockets_and_no_others() {
    let sandbox = Sandbox::ready().await;
    let mut mine = [open(&sandbox, FIRST).await, open(&sandbox, FIRST).await];
    let mut other = open(&sandbox, SECOND).await;
    assert_eq!(end(&sandbox, Some(FIRST), SessionEnd::SignedOut).await, 2);
    for socket in &mut mine {
        assert_eq!(closed(socket).await, (4402, SessionEnd::SignedOut.reason().to_owned()));
        // Our side answers, theirs ends.
        assert!(socket.next().await.is_none_or(|end| end.is_err()));
    }
    echoes(&mut other, "still here").await;
    sandbox.status_where(|status| status.open_sockets == 1).await;
    assert_eq!(
        refused(connect(&sandbox, FIRST, now_ms() + 600_000).await),
        StatusCode::UNAUTHORIZED
    );
    let request = sandbox.proxy(Method::GET, "/echo").header(header::SESSION, FIRST);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "session_ended");
    echoes(&mut open(&sandbox, SECOND).await, "and another").await;
}

#[tokio::test]
async fn a_suspension_closes_every_socket() {
    let sandbox = Sandbox::ready().await;
    let mut sockets = [open(&sandbox, FIRST).await, open(&sandbox, SECOND).await];
    assert_eq!(end(&sandbox, None, SessionEnd::Suspended).await, 2);
    for socket in &mut sockets {
        assert_eq!(closed(socket).await.0, 4403);
    }
    assert_eq!(
        refused(connect(&sandbox, SECOND, now_ms() + 600_000).await),
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_socket_ends_with_its_token_and_a_renewed_one_goes_on() {
    let sandbox = Sandbox::ready().await;
    let until = now_ms() + 1_500;
    let mut socket = connect(&sandbox, FIRST, until).await.unwrap();
    echoes(&mut socket, "before").await;
    assert_eq!(
        closed(&mut socket).await,
        (4401, SessionEnd::Expired.reason().to_owned())
    );
    let late = now_ms().checked_sub(until).expect("not before its end");
    assert!(late < 1_000, "{late} ms after its end");
    assert_eq!(refused(connect(&sandbox, FIRST, until).await), StatusCode::UNAUTHORIZED);
    echoes(&mut open(&sandbox, FIRST).await, "renewed").await;
}

/// A masked frame with a mask of zeros, as long as `payload` is 65,536 bytes or more.
fn long_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82, 0xFF];
    frame.extend((payload.len() as u64).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn a_message_that_is_under_way_is_whole_before_the_close() {
    let sandbox = Sandbox::ready().await;
    let mut raw = TcpStream::connect(sandbox.proxy_address("")).await.unwrap();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}: {OWNER}\r\n{}: {FIRST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        header::USER,
        header::SESSION
    );
    raw.write_all(head.as_bytes()).await.unwrap();
    let message: Vec<u8> = (0..6_000_000_u32).map(|index| (index % 251) as u8).collect();
    raw.write_all(&long_frame(&message)).await.unwrap();
    // The echo is on its way, and far more of it is to come than fits into the buffers between.
    let mut got = vec![0; 100_000];
    raw.read_exact(&mut got).await.unwrap();
    assert_eq!(end(&sandbox, Some(FIRST), SessionEnd::SignedOut).await, 1);
    tokio::time::timeout(PATIENCE, raw.read_to_end(&mut got))
        .await
        .expect("it ends")
        .unwrap();
    let echo = [&[0x82, 0x7F], &6_000_000_u64.to_be_bytes()[..]].concat();
    let begin = got
        .windows(echo.len())
        .position(|window| window == echo)
        .expect("the echo")
        + echo.len();
    let (echoed, rest) = got[begin..].split_at(message.len());
    assert!(echoed == message);
    assert_eq!(
        rest[..4],
        [0x88, 2 + SessionEnd::SignedOut.reason().len() as u8, 0x11, 0x32]
    );
    assert_eq!(&rest[4..], SessionEnd::SignedOut.reason().as_bytes());
}

#[tokio::test]
async fn a_client_that_goes_on_talking_still_gets_the_close() {
    let sandbox = Sandbox::ready().await;
    for _ in 0..5 {
        let session = format!("s{}", uuid::Uuid::new_v4().simple());
        let (mut sink, mut stream) = StreamExt::split(open(&sandbox, &session).await);
        let (first, talking) = tokio::sync::oneshot::channel();
        let talk = tokio::spawn(async move {
            let mut first = Some(first);
            while sink.send(Message::binary(vec![7; 50_000])).await.is_ok() {
                first.take().map(|first| first.send(()));
            }
        });
        talking.await.unwrap();
        assert_eq!(end(&sandbox, Some(&session), SessionEnd::SignedOut).await, 1);
        let code = loop {
            let next = stream.next().await.expect("a close frame before the end");
            if let Message::Close(Some(close)) = next.expect("no reset") {
                break u16::from(close.code);
            }
        };
        assert_eq!(code, 4402);
        drop(stream);
        talk.await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_soon() {
    let sandbox = Sandbox::ready().await;
    let mut socket = open(&sandbox, FIRST).await;
    let (mut sink, unread) = futures_util::StreamExt::split(&mut socket);
    // Until nothing moves any more: the echoes fill every buffer on the way back.
    while tokio::time::timeout(Duration::from_millis(500), sink.send(Message::binary(vec![7; 500_000])))
        .await
        .is_ok_and(|sent| sent.is_ok())
    {}
    drop(unread);
    let begun = Instant::now();
    assert_eq!(end(&sandbox, Some(FIRST), SessionEnd::SignedOut).await, 1);
    sandbox.status_where(|status| status.open_sockets == 0).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_stream_breaks_off_with_its_session() {
    let sandbox = Sandbox::ready().await;
    let request = sandbox.proxy(Method::GET, "/stream?n=100000&ms=20");
    let mut stream = request.header(header::SESSION, FIRST).send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    assert_eq!(
        end(&sandbox, Some(FIRST), SessionEnd::SignedOut).await,
        0,
        "it is no socket"
    );
    let rest = async {
        loop {
            match stream.chunk().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("what was cut must not pass for whole"),
                Err(_) => return,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), rest)
        .await
        .expect("it breaks off");
}

#[tokio::test]
async fn the_agent_learns_that_its_client_has_gone() {
    let sandbox = Sandbox::ready().await;
    let _socket = open(&sandbox, FIRST).await;
    end(&sandbox, Some(FIRST), SessionEnd::SignedOut).await;
    let learned = |line: &String| line.contains("socket closed by its client with 4402");
    sandbox.status_where(|status| status.log_tail.iter().any(learned)).await;
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_refused() {
    let sandbox = Sandbox::ready().await;
    for (name, value) in [(header::SESSION, "x"), (header::SESSION_UNTIL, "soon")] {
        let answer = sandbox
            .proxy(Method::GET, "/echo")
            .header(name, value)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{name}");
    }
    let mut raw = TcpStream::connect(sandbox.proxy_address("")).await.unwrap();
    let head = format!(
        "GET /echo HTTP/1.1\r\nHost: a\r\n{}: {OWNER}\r\n{}: {FIRST}\r\nConnection: close\r\n\r\n",
        header::USER,
        header::SESSION
    );
    raw.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    raw.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && !answer.contains("x-molt"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_call_is_checked() {
    let sandbox = Sandbox::ready().await;
    for body in [
        json!({}),
        json!({"reason": "because"}),
        json!({"reason": "signed_out", "session": "x"}),
        json!({"reason": "signed_out", "user": "x"}),
    ] {
        let answer = sandbox
            .control(Method::POST, "/v1/sessions/end")
            .json(&body)
            .send()
            .await
            .unwrap();
        let (status, error) = error_of(answer).await;
        assert_eq!(
            (status, error.code.as_str()),
            (StatusCode::BAD_REQUEST, "invalid_request"),
            "{body}"
        );
    }
    let anonymous = sandbox.control_anonymous(Method::POST, "/v1/sessions/end");
    let answer = anonymous.json(&json!({"reason": "suspended"})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}
