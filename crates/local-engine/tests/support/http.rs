//! As little HTTP as the tests need.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }
}

/// Sends one request over a fresh connection and reads the answer to its end.
pub fn call(mut stream: impl Read + Write, method: &str, path: &str, body: Option<&[u8]>) -> io::Result<Answer> {
    let body = body.unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    let (status, length) = parse_head(&all).ok_or_else(|| io::Error::other("no head"))?;
    Ok(Answer {
        status,
        body: all.split_off(length),
    })
}

/// Status and length of a head, once it is complete.
pub fn parse_head(bytes: &[u8]) -> Option<(u16, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes).ok()? {
        httparse::Status::Complete(length) => Some((response.code?, length)),
        httparse::Status::Partial => None,
    }
}

/// Opens a connection to a port inside a sandbox, through the sidecar at `ingress`, as the runtime does. The error is the status.
pub fn connect_through(ingress: u16, port: u16) -> Result<TcpStream, u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", ingress)).unwrap();
    let head = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nX-Dst-Addr: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let (status, early) = read_head(&mut stream);
    assert!(status != 200 || early.is_empty(), "nobody inside has spoken yet");
    if status == 200 { Ok(stream) } else { Err(status) }
}

/// Reads a head and not a byte more than has come with it.
pub fn read_head(stream: &mut impl Read) -> (u16, Vec<u8>) {
    let mut all = Vec::new();
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            panic!("the connection ended in the head: {}", String::from_utf8_lossy(&all));
        }
        all.push(byte[0]);
        if let Some((status, length)) = parse_head(&all) {
            return (status, all.split_off(length));
        }
    }
}
