//! Asking the edge whether it intercepts a connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::sniff::Sniffed;

/// How long the edge may take to decide. It is a process of this machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest head of an answer.
const LONGEST_HEAD: usize = 16 * 1024;

/// What the edge decided.
#[derive(Debug)]
pub enum Decision {
    /// It takes the connection as HTTP. If it was TLS, it wants it decrypted.
    Intercepted(Tunnel),
    /// It does not intercept, and offers the bytes a way through itself.
    PassThrough(Tunnel),
}

/// An open connection through the edge.
#[derive(Debug)]
pub struct Tunnel {
    /// The connection.
    pub stream: TcpStream,
    /// Bytes for the sandbox that came with the answer.
    pub early: Vec<u8>,
}

/// Asks the edge on `edge_port` about a connection to `destination` that began as `sniffed` says, and whose name is `name` when that is
/// known from the look-up.
pub async fn ask(
    edge_port: u16,
    destination: SocketAddrV4,
    sniffed: &Sniffed,
    name: Option<&str>,
) -> io::Result<Decision> {
    let asked = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, edge_port)).await?;
        stream.set_nodelay(true)?;
        stream.write_all(request(destination, sniffed, name).as_bytes()).await?;
        let (status, early) = read_head(&mut stream).await?;
        let tunnel = Tunnel { stream, early };
        match status {
            200 => Ok(Decision::Intercepted(tunnel)),
            202 => Ok(Decision::PassThrough(tunnel)),
            other => Err(io::Error::other(format!("the edge answered {other}"))),
        }
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// The edge decides by these headers, TLS first; a connection that is neither carries none.
fn request(destination: SocketAddrV4, sniffed: &Sniffed, name: Option<&str>) -> String {
    let name = name.or(sniffed.host_name());
    let hint = match (sniffed, name) {
        (Sniffed::Tls(_), Some(name)) => format!("X-Tls-Sni: {name}\r\n"),
        (Sniffed::Http(_), Some(name)) => format!("X-Hostname: {name}\r\n"),
        _ => String::new(),
    };
    format!("CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\n{hint}\r\n")
}

/// Status of the answer, and what came after its head.
async fn read_head(stream: &mut TcpStream) -> io::Result<(u16, Vec<u8>)> {
    let mut head = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        match response
            .parse(&head)
            .map_err(|error| io::Error::other(error.to_string()))?
        {
            httparse::Status::Complete(length) => {
                let status = response.code.unwrap_or_default();
                return Ok((status, head.split_off(length)));
            }
            httparse::Status::Partial if head.len() > LONGEST_HEAD => {
                return Err(io::Error::other("the edge's answer has no end"));
            }
            httparse::Status::Partial => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn tls_and_http_have_a_header_each_and_a_looked_up_name_wins() {
        let to = "1.2.3.4:443".parse().unwrap();
        let tls = request(to, &Sniffed::Tls(Some("a.example".into())), None);
        assert!(
            tls.starts_with("CONNECT 1.2.3.4:443 HTTP/1.1\r\n") && tls.contains("X-Tls-Sni: a.example\r\n"),
            "{tls}"
        );
        let http = request(to, &Sniffed::Http(Some("spoofed".into())), Some("edge.internal"));
        assert!(
            http.contains("X-Hostname: edge.internal\r\n") && !http.contains("spoofed"),
            "{http}"
        );
        assert!(!request(to, &Sniffed::Other, Some("edge.internal")).contains("X-"));
    }

    async fn edge_that_answers(answer: &'static str) -> io::Result<Decision> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let edge = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut head).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        tokio::join!(edge, ask(port, "1.2.3.4:80".parse().unwrap(), &Sniffed::Other, None)).1
    }

    #[tokio::test]
    async fn bytes_that_come_with_the_answer_are_not_lost() {
        let decision = edge_that_answers("HTTP/1.1 202 Accepted\r\nX: y\r\n\r\n220 smtp ready")
            .await
            .unwrap();
        let Decision::PassThrough(tunnel) = decision else {
            panic!("{decision:?}")
        };
        assert_eq!(tunnel.early, b"220 smtp ready");
    }

    #[tokio::test]
    async fn any_other_status_is_a_refusal() {
        assert!(matches!(
            edge_that_answers("HTTP/1.1 200 OK\r\n\r\n").await.unwrap(),
            Decision::Intercepted(_)
        ));
        assert!(
            edge_that_answers("HTTP/1.1 403 No\r\n\r\n")
                .await
                .unwrap_err()
                .to_string()
                .contains("403")
        );
        assert!(edge_that_answers("").await.is_err());
    }
}
