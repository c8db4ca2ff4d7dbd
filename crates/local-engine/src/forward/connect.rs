//! Connecting to a host of the internet, by its name, at a public address.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::stand_in::{StandIn, StandIns};
use crate::egress::name_service::public_addresses;

/// How long a server may take to accept.
const CONNECTING: Duration = Duration::from_secs(15);

/// A connection to a server.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// The internet as the edge reaches it.
pub struct Internet {
    stand_ins: StandIns,
    tls: TlsConnector,
}

impl Internet {
    /// Trusts the authorities of this machine, and that of the PEM file when there is one.
    pub fn new(stand_ins: Vec<StandIn>, authority: Option<&Path>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        // A machine without any reaches no host by HTTPS, which each attempt says.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = authority {
            for certificate in CertificateDer::pem_file_iter(file).map_err(io::Error::other)? {
                roots
                    .add(certificate.map_err(io::Error::other)?)
                    .map_err(io::Error::other)?;
            }
        }
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            stand_ins: StandIns::new(stand_ins),
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    /// A connection to `host`. Only names are connected to, and only at public addresses, so that no spelling of an address is a way around.
    pub async fn connect(&self, host: &str, port: u16, encrypted: bool) -> io::Result<Box<dyn Connection>> {
        let stream = match self.stand_ins.of(host, port) {
            Some(address) => connect_to(address).await?,
            None if host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[') => {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "an address, not a name",
                ));
            }
            None => connect_to_one(&public_addresses(host).await, port).await?,
        };
        if !encrypted {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(self.tls.connect(name, stream).await?))
    }
}

async fn connect_to_one(addresses: &[Ipv4Addr], port: u16) -> io::Result<TcpStream> {
    let mut outcome = Err(io::Error::new(io::ErrorKind::NotFound, "no public address"));
    for address in addresses {
        outcome = connect_to(SocketAddr::from((*address, port))).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECTING, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_that_mean_this_machine_and_addresses_lead_nowhere() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let internet = Internet::new(vec![], None).unwrap();
        for host in ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "[::1]", "::1"] {
            assert!(internet.connect(host, port, false).await.is_err(), "{host}");
        }
        let stand_in = format!("api.example.com:80=127.0.0.1:{port}").parse().unwrap();
        let internet = Internet::new(vec![stand_in], None).unwrap();
        assert!(internet.connect("api.example.com", 80, false).await.is_ok());
    }
}
