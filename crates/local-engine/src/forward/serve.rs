//! Requests of the gateway, passed on as they are: bodies as streams, upgrades as bytes.

use std::io;
use std::sync::Arc;

use http::header::{CONNECTION, HOST, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::connect::Internet;
use crate::relay::accept;

/// Header that names the URL which is meant.
const URL: &str = "x-molt-outbound-url";

/// Serves for as long as it is polled.
pub async fn serve(internet: Arc<Internet>, listener: TcpListener) {
    loop {
        let stream = accept(&listener).await;
        tokio::spawn(connection(Arc::clone(&internet), stream));
    }
}

async fn connection(internet: Arc<Internet>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let internet = Arc::clone(&internet);
        async move {
            let answered = pass_on(&internet, request).await;
            // Broken off, as a host that is not there: an answer would be taken for the host's own.
            answered.inspect_err(|error| tracing::info!(%error, "a request of the edge went nowhere"))
        }
    });
    drop(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await,
    );
}

/// Where a request goes.
struct Target {
    host: String,
    port: u16,
    encrypted: bool,
    /// Path and query.
    path: Uri,
    authority: HeaderValue,
}

fn target(request: &Request<Incoming>) -> io::Result<Target> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let url = request.headers().get(URL).ok_or_else(|| bad("no URL"))?;
    let url = Uri::try_from(url.as_bytes()).map_err(io::Error::other)?;
    let encrypted = match url.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(bad("neither http nor https")),
    };
    let authority = url.authority().ok_or_else(|| bad("no host"))?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    Ok(Target {
        host: authority.host().to_owned(),
        port: authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 }),
        encrypted,
        path: path.parse().map_err(io::Error::other)?,
        authority: HeaderValue::from_str(authority.as_str()).map_err(io::Error::other)?,
    })
}

async fn pass_on(internet: &Internet, mut request: Request<Incoming>) -> io::Result<Response<Incoming>> {
    let target = target(&request)?;
    let server = internet.connect(&target.host, target.port, target.encrypted).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(server))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection.with_upgrades());
    let client = hyper::upgrade::on(&mut request);
    let (mut head, body) = request.into_parts();
    head.uri = target.path;
    head.headers.remove(URL);
    head.headers.insert(HOST, target.authority);
    if !head.headers.contains_key(UPGRADE) {
        head.headers.remove(CONNECTION);
    }
    let mut answer = sender
        .send_request(Request::from_parts(head, body))
        .await
        .map_err(io::Error::other)?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let server = hyper::upgrade::on(&mut answer);
        tokio::spawn(async move {
            if let Ok((client, server)) = tokio::try_join!(client, server) {
                drop(tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await);
            }
        });
    }
    Ok(answer)
}
