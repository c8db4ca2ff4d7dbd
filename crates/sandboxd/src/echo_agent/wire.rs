//! Answers that no HTTP library would send, byte by byte: `GET` or `POST /raw/<name>`.
//!
//! Each ends its connection, and says so where that does not change what it is about: a proxy may otherwise ask again on one that is just ending.
//!
//! `early-hints` (103 before the 200), `trailers`, `http10` (ends with the connection), `http10-length`, `extensions` (chunks with them), `cut-length`
//! and `cut-chunks` (break off in the middle), `both-lengths` (a length beside chunks), `two-lengths` (that differ), `hop` (headers of one
//! connection), `switch` (101 that nobody asked for), `garbage` (no HTTP), `silence` (nothing).

use std::future::Future;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::http_server::{self, Body};

const BEGINNINGS: [&[u8]; 2] = [b"GET /raw/", b"POST /raw/"];
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Longest head of a request that is read here.
const HEAD: usize = 16 * 1024;

/// Serves for ever: these answers here, everything else by `handle`.
pub async fn serve<F, R>(listener: TcpListener, handle: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Running out of descriptors does not go away by asking faster.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let handle = handle.clone();
        tokio::spawn(async move {
            let mut beginning = [0; 10];
            // The proxy sends a head in one piece.
            match stream.peek(&mut beginning).await {
                Ok(length) if BEGINNINGS.iter().any(|known| beginning[..length].starts_with(known)) => {
                    answer(stream).await;
                }
                _ => http_server::serve_connection(stream, handle).await,
            }
        });
    }
}

async fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let name = head.split(['/', ' ']).nth(3).unwrap_or_default();
    // A client that is gone needs no answer.
    let _ = stream.write_all(bytes(name).as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn bytes(name: &str) -> &'static str {
    match name {
        "early-hints" => {
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nwell"
        }
        "trailers" => {
            "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4\r\nwell\r\n0\r\nX-Sum: 4\r\n\r\n"
        }
        "http10" => "HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\nuntil the end",
        "http10-length" => "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nwell",
        "extensions" => {
            "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nwell\r\n6;c\r\n, then\r\n0;d\r\n\r\n"
        }
        "cut-length" => "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nonly this",
        "cut-chunks" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
        "both-lengths" => {
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwell\r\n0\r\n\r\n"
        }
        "two-lengths" => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 9\r\n\r\nwellwell!",
        "hop" => {
            "HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n\
             Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Stays: 1\r\nContent-Length: 4\r\n\r\nwell"
        }
        "switch" => "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "garbage" => "this is no HTTP\r\n\r\n",
        _ => "",
    }
}
