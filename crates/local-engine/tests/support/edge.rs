//! A stand-in for the edge's listener, to which a sidecar turns with what leaves a sandbox.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

/// What the edge does with a connection.
#[derive(Clone, Copy)]
pub enum Decide {
    /// 200, and it answers as HTTP itself.
    Intercept,
    /// 202, and it closes its side at once, as one that connects nowhere.
    PassNowhere,
    /// 202, and it echoes what it gets, as one that has connected onwards to an echo.
    PassToEcho,
}

/// A listener with a thread behind it.
pub struct Edge {
    pub port: u16,
    /// The head of every request that came in.
    pub asked: mpsc::Receiver<String>,
}

impl Edge {
    pub fn start(decide: Decide) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, heads) = (stream.unwrap(), heads.clone());
                std::thread::spawn(move || serve(stream, decide, &heads));
            }
        });
        Self { port, asked }
    }

    /// The head of the next request.
    pub fn next(&self) -> String {
        self.asked
            .recv_timeout(super::PATIENCE)
            .expect("the edge was not asked")
    }

    /// Whether nothing has come in so far.
    pub fn is_untouched(&self) -> bool {
        self.asked.try_recv().is_err()
    }
}

fn read_head(reader: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            break;
        }
    }
    head
}

fn serve(mut stream: TcpStream, decide: Decide, heads: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let head = read_head(&mut reader);
    if head.is_empty() {
        return;
    }
    heads.send(head).ok();
    match decide {
        Decide::Intercept => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok();
            let request = read_head(&mut reader);
            let line = request.lines().next().unwrap_or_default().to_owned();
            let body = format!("edge saw {line}");
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).ok();
        }
        Decide::PassNowhere => {
            stream.write_all(b"HTTP/1.1 202 Accepted\r\n\r\n").ok();
        }
        Decide::PassToEcho => {
            stream.write_all(b"HTTP/1.1 202 Accepted\r\n\r\n").ok();
            let mut buffer = [0; 4096];
            while let Ok(length) = reader.read(&mut buffer) {
                if length == 0 || stream.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
        }
    }
}
