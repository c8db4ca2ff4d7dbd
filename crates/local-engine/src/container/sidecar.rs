//! The sidecar of a sandbox: the container that owns its network. The engine plays it itself.
//!
//! On the host's loopback it offers what the edge asks of it: a way in (`CONNECT`), the settings of the way out (`PUT /egress`) and
//! the certificate of its authority (`GET /ca`).

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::egress::listener::Egress;
use crate::egress::name_service;
use crate::netns::{NetworkNamespace, Opened};
use crate::relay::{accept, relay};

/// Name of the header with the address inside that a connection is for.
const DESTINATION: &str = "x-dst-addr";
/// Longest body of `PUT /egress`.
const LONGEST_BODY: usize = 1 << 20;

/// A sidecar that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Sidecar {
    /// The network. It lives on as long as a process is in it.
    pub namespace: Arc<NetworkNamespace>,
    /// Port on the host's loopback.
    pub port: u16,
    _stop: DropGuard,
}

struct Shared {
    namespace: Arc<NetworkNamespace>,
    egress: Arc<Egress>,
    stop: CancellationToken,
}

impl Sidecar {
    /// Starts to serve a network.
    pub async fn start(opened: Opened, egress: Egress) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (stop, egress) = (CancellationToken::new(), Arc::new(egress));
        let namespace = Arc::new(opened.namespace);
        run(&stop, Arc::clone(&egress).serve(opened.egress));
        run(&stop, name_service::serve_udp(Arc::clone(&egress), opened.names_udp));
        run(&stop, name_service::serve_tcp(Arc::clone(&egress), opened.names_tcp));
        let shared = Arc::new(Shared {
            namespace: Arc::clone(&namespace),
            egress,
            stop: stop.clone(),
        });
        run(&stop, async move {
            loop {
                let stream = accept(&listener).await;
                run(&shared.stop, serve(Arc::clone(&shared), stream));
            }
        });
        Ok(Self {
            namespace,
            port,
            _stop: stop.drop_guard(),
        })
    }
}

fn run(stop: &CancellationToken, task: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.clone();
    tokio::spawn(async move { stop.run_until_cancelled(task).await });
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await,
    );
}

type Answer = Response<Full<Bytes>>;

fn respond(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::CONNECT, _) => connect(&shared, request).await,
        (&Method::PUT, "/egress") => configure(&shared, request).await,
        (&Method::GET, "/ca") => respond(StatusCode::OK, shared.egress.authority().certificate().to_owned()),
        (method, path) => {
            tracing::warn!(%method, path, "the sidecar was asked for what it does not have");
            respond(StatusCode::NOT_IMPLEMENTED, "not implemented by this engine's sidecar")
        }
    })
}

async fn configure(shared: &Shared, request: Request<Incoming>) -> Answer {
    let body = match Limited::new(request.into_body(), LONGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return respond(StatusCode::BAD_REQUEST, error.to_string()),
    };
    match serde_json::from_slice(&body) {
        Ok(update) => {
            shared.egress.configure(update);
            respond(StatusCode::OK, "{}")
        }
        Err(error) => respond(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

async fn connect(shared: &Arc<Shared>, request: Request<Incoming>) -> Answer {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let Some(port) = destination_port(request.headers(), authority) else {
        return respond(StatusCode::BAD_REQUEST, "no port to connect to");
    };
    let mut inside = match shared
        .namespace
        .connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
        .await
    {
        Ok(stream) => stream,
        // The edge takes 400 for "not listening yet" and asks again.
        Err(error) => return respond(StatusCode::BAD_REQUEST, error.to_string()),
    };
    drop(inside.set_nodelay(true));
    let upgrade = hyper::upgrade::on(request);
    run(&shared.stop, async move {
        let Ok(upgraded) = upgrade.await else { return };
        // Below the HTTP connection lies the socket itself: from here on nothing stands between the two.
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            return;
        };
        let mut outside = parts.io.into_inner();
        if inside.write_all(&parts.read_buf).await.is_ok() {
            drop(relay(&mut outside, &mut inside).await);
        }
    });
    respond(StatusCode::OK, "")
}

/// The header wins over the request line; the address in both is the sandbox's own loopback.
fn destination_port(headers: &HeaderMap, authority: Option<&str>) -> Option<u16> {
    let header = headers.get(DESTINATION).and_then(|value| value.to_str().ok());
    let (_, port) = header.or(authority)?.rsplit_once(':')?;
    port.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_comes_from_the_header_or_else_from_the_request() {
        let mut headers = HeaderMap::new();
        assert_eq!(destination_port(&headers, Some("127.0.0.1:8080")), Some(8_080));
        headers.insert(DESTINATION, "127.0.0.1:8081".parse().unwrap());
        assert_eq!(destination_port(&headers, Some("127.0.0.1:8080")), Some(8_081));
        for nonsense in ["127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", ":"] {
            headers.insert(DESTINATION, nonsense.parse().unwrap());
            assert_eq!(destination_port(&headers, None), None, "{nonsense}");
        }
    }
}
