//! A server on this machine that answers what a test wants, so that resuming is tested against real connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request, as far as tests look.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Method and path with query.
    pub line: String,
    /// `Accept`.
    pub accept: String,
    /// `Last-Event-ID`.
    pub last_event_id: Option<String>,
    /// `Idempotency-Key`.
    pub key: Option<String>,
    /// The body.
    pub body: String,
}

/// What a connection gets, byte for byte.
pub struct Answer {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// How long it stays open and silent after that.
    pub linger: Duration,
}

impl Answer {
    /// JSON.
    pub fn json(status: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
        Self::bytes(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes())
    }

    /// A stream of events, of which only so many bytes arrive.
    pub fn events(body: &str, most: usize) -> Self {
        let mut bytes =
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        let sent = body.get(..most).unwrap_or(body);
        if !sent.is_empty() {
            bytes.extend(format!("{:x}\r\n{sent}\r\n", sent.len()).into_bytes());
        }
        if sent.len() == body.len() {
            bytes.extend(b"0\r\n\r\n");
        }
        Self::bytes(bytes)
    }

    /// These bytes.
    pub const fn bytes(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            linger: Duration::ZERO,
        }
    }
}

/// Runs until the process ends.
pub struct Server {
    /// Its address.
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Each request is answered by `answer`, which is told how many came before it.
    pub fn start(answer: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (book, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (book, answer) = (Arc::clone(&book), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(asked) = read(&stream) else { return };
                    let before = {
                        let mut book = book.lock().unwrap();
                        book.push(asked.clone());
                        book.len() - 1
                    };
                    let answer = answer(before, &asked);
                    let mut stream = stream;
                    let _ = stream.write_all(&answer.bytes).and_then(|()| stream.flush());
                    // As long as the client stays, and not longer than this.
                    if !answer.linger.is_zero() {
                        let _ = stream.set_read_timeout(Some(answer.linger));
                        let _ = stream.read(&mut [0]);
                    }
                });
            }
        });
        Self { url, asked }
    }

    /// What was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut asked = Asked::default();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if asked.line.is_empty() {
            asked.line = line.strip_suffix(" HTTP/1.1")?.to_owned();
            continue;
        }
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "accept" => value.clone_into(&mut asked.accept),
            "last-event-id" => asked.last_event_id = Some(value.to_owned()),
            "idempotency-key" => asked.key = Some(value.to_owned()),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).ok()?;
    Some(asked)
}
