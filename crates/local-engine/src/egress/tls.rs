//! The certificate authority of one sandbox, by which the edge can intercept HTTPS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Host names that a certificate is kept for; beyond that all are forgotten.
const KEPT: usize = 512;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Making a certificate failed.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The certificate cannot be served.
    #[error("cannot serve a certificate: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
}

/// An authority that exists for one sandbox and as long as it. Its key never leaves the engine.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    served: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl Authority {
    /// Makes a new one.
    pub fn new() -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Sandbox egress");
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
            served: Mutex::default(),
        })
    }

    /// The authority's certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// How to be `name` to a client that trusts this authority. HTTP/1.1 only, which is what the edge understands.
    pub fn serve_as(&self, name: &str) -> Result<Arc<ServerConfig>, AuthorityError> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = served.get(name) {
            return Ok(Arc::clone(config));
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer)?.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let config = Arc::new(config);
        if served.len() >= KEPT {
            served.clear();
        }
        served.insert(name.to_owned(), Arc::clone(&config));
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    async fn handshake(trusting: &Authority, served_by: &Authority, name: &str) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(trusting.certificate().as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (near, far) = duplex(16 * 1024);
        let acceptor = TlsAcceptor::from(served_by.serve_as("api.example.com").unwrap());
        let server = tokio::spawn(async move {
            let mut stream = acceptor.accept(far).await?;
            stream.write_all(b"hello").await?;
            stream.shutdown().await
        });
        let name = name.to_owned().try_into().unwrap();
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, near).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        server.await.unwrap()?;
        Ok(text)
    }

    #[tokio::test]
    async fn a_client_that_trusts_the_authority_accepts_its_certificate_for_that_name_only() {
        let authority = Authority::new().unwrap();
        assert_eq!(
            handshake(&authority, &authority, "api.example.com").await.unwrap(),
            "hello"
        );
        assert!(handshake(&authority, &authority, "other.example.com").await.is_err());
    }

    #[tokio::test]
    async fn one_sandboxs_authority_means_nothing_to_another() {
        let (ours, theirs) = (Authority::new().unwrap(), Authority::new().unwrap());
        assert!(handshake(&ours, &theirs, "api.example.com").await.is_err());
    }
}
