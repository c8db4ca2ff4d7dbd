//! A server that stands for hosts of the internet, by HTTP and HTTPS, and tells what came.

use base64::Engine as _;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, LOCATION, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// What it says to a request for any other path: `<scheme> <host> <method> <path> <bytes of the body>`.
const REDIRECT: &str = "/redirect";

/// Requests as the server saw them.
type Seen = Arc<Mutex<Vec<String>>>;

/// The server; it runs as long as the process.
pub struct Internet {
    http: SocketAddr,
    https: SocketAddr,
    authority: PathBuf,
    seen: Seen,
    _folder: TempDir,
}

impl Internet {
    /// Begins to serve these hosts.
    ///
    /// # Panics
    /// When it cannot.
    #[must_use]
    pub fn of(hosts: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = folder.path().join("ca.pem");
        let (pem, config) = certificates(hosts);
        std::fs::write(&authority, pem).expect("the authority's file");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads");
        let (http, https) = runtime.block_on(async {
            let bind = || TcpListener::bind("127.0.0.1:0");
            (bind().await.expect("a port"), bind().await.expect("a port"))
        });
        let address = |listener: &TcpListener| listener.local_addr().expect("an address");
        let (http_at, https_at) = (address(&http), address(&https));
        let seen = Seen::default();
        runtime.spawn(serve(http, None, Arc::clone(&seen)));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        runtime.spawn(serve(https, Some(acceptor), Arc::clone(&seen)));
        // It serves to the end of the process.
        std::mem::forget(runtime);
        Self {
            http: http_at,
            https: https_at,
            authority,
            seen,
            _folder: folder,
        }
    }

    /// Flags of `scripts/dev` by which these hosts are this server.
    ///
    /// # Panics
    /// When the authority's path is no text.
    #[must_use]
    pub fn flags(&self, hosts: &[&str]) -> Vec<String> {
        let hosts = hosts.iter().flat_map(|host| {
            [
                "--internet-host".to_owned(),
                format!("{host}:80={}", self.http),
                "--internet-host".to_owned(),
                format!("{host}:443={}", self.https),
            ]
        });
        let authority = self.authority.to_str().expect("text").to_owned();
        hosts.chain(["--internet-ca".to_owned(), authority]).collect()
    }

    /// Lines of the requests whose line has this text.
    #[must_use]
    pub fn seen(&self, text: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|line| line.contains(text)).cloned().collect()
    }
}

fn certificates(hosts: &[&str]) -> (String, ServerConfig) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = params.self_signed(&key).expect("an authority");
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let certificate = CertificateParams::new(names)
        .and_then(|params| params.signed_by(&key, &issuer))
        .expect("a certificate");
    let certificate: CertificateDer<'static> = certificate.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a configuration");
    (authority.pem(), config)
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, seen: Seen) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, seen) = (tls.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            match tls {
                None => connection(stream, "http", seen).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, "https", seen).await;
                    }
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, scheme: &'static str, seen: Seen) {
    let service = service_fn(move |request| answer(request, scheme, Arc::clone(&seen)));
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await,
    );
}

async fn answer(mut request: Request<Incoming>, scheme: &str, seen: Seen) -> Result<Response<Full<Bytes>>, Infallible> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let line = format!(
        "{scheme} {} {} {}",
        host.unwrap_or_default(),
        request.method(),
        request.uri()
    );
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
    let mut response = Response::new(Full::default());
    if let Some(key) = request.headers().get("sec-websocket-key").cloned() {
        let headers = response.headers_mut();
        headers.insert(UPGRADE, "websocket".parse().expect("a value"));
        headers.insert(CONNECTION, "upgrade".parse().expect("a value"));
        let accept = derive_accept_key(key.as_bytes()).parse().expect("a value");
        headers.insert("sec-websocket-accept", accept);
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        tokio::spawn(async move {
            let Ok(stream) = hyper::upgrade::on(&mut request).await else {
                return;
            };
            let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None).await;
            while let Some(Ok(message)) = socket.next().await {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
        });
        return Ok(response);
    }
    if request.uri().path() == REDIRECT {
        *response.status_mut() = StatusCode::FOUND;
        let elsewhere = "http://other.example.com/after-redirect".parse().expect("a value");
        response.headers_mut().insert(LOCATION, elsewhere);
        return Ok(response);
    }
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let digest = base64::engine::general_purpose::STANDARD.encode(<sha2::Sha256 as sha2::Digest>::digest(&body));
    *response.body_mut() = Full::from(format!("{line} {} {digest}", body.len()));
    Ok(response)
}
