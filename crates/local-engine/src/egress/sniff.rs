//! What the first bytes of a connection say about where it wants to go. Pure.

use tokio_rustls::rustls::server::Acceptor;

/// Longest beginning that is looked at.
pub const LONGEST: usize = 16 * 1024;

/// What a connection turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sniffed {
    /// More bytes may tell.
    Incomplete,
    /// TLS, with the host name it asks for.
    Tls(Option<String>),
    /// HTTP/1, with its `Host`, port removed.
    Http(Option<String>),
    /// Anything else.
    Other,
}

impl Sniffed {
    /// The host name, if one was given.
    pub fn host_name(&self) -> Option<&str> {
        match self {
            Self::Tls(name) | Self::Http(name) => name.as_deref(),
            _ => None,
        }
    }
}

/// Looks at the bytes that have arrived so far.
pub fn sniff(bytes: &[u8]) -> Sniffed {
    match bytes.first() {
        None => Sniffed::Incomplete,
        // The record type of a TLS handshake.
        Some(0x16) => sniff_tls(bytes),
        Some(first) if first.is_ascii_uppercase() => sniff_http(bytes),
        Some(_) => Sniffed::Other,
    }
}

fn sniff_tls(mut bytes: &[u8]) -> Sniffed {
    let mut acceptor = Acceptor::default();
    while !bytes.is_empty() {
        if acceptor.read_tls(&mut bytes).is_err() {
            return Sniffed::Other;
        }
    }
    match acceptor.accept() {
        Ok(None) => Sniffed::Incomplete,
        Ok(Some(accepted)) => Sniffed::Tls(accepted.client_hello().server_name().and_then(host_name)),
        Err(_) => Sniffed::Other,
    }
}

fn sniff_http(bytes: &[u8]) -> Sniffed {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => Sniffed::Incomplete,
        Ok(httparse::Status::Complete(_)) => {
            let host = request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("host"));
            let host = host.and_then(|header| std::str::from_utf8(header.value).ok());
            // What follows a colon is a port, or part of an address, which is no name.
            let host = host.and_then(|host| host.trim().split(':').next());
            Sniffed::Http(host.and_then(host_name))
        }
        Err(_) => Sniffed::Other,
    }
}

/// A name fit to be passed on in a header.
fn host_name(name: &str) -> Option<String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    super::allow_host::is_host_name(&name).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    fn client_hello(name: &str) -> Vec<u8> {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap();
        let mut hello = Cursor::new(Vec::new());
        client.write_tls(&mut hello).unwrap();
        hello.into_inner()
    }

    #[test]
    fn the_host_of_a_request_is_found_without_its_port() {
        let request = b"POST /v1/chat HTTP/1.1\r\nAccept: */*\r\nhOsT: Edge.Internal:8080\r\n\r\nbody";
        assert_eq!(sniff(request), Sniffed::Http(Some("edge.internal".into())));
    }

    #[test]
    fn the_name_in_a_tls_greeting_is_found() {
        assert_eq!(
            sniff(&client_hello("api.example.com")),
            Sniffed::Tls(Some("api.example.com".into()))
        );
    }

    #[test]
    fn half_a_greeting_asks_for_more() {
        let hello = client_hello("api.example.com");
        assert_eq!(sniff(&hello[..hello.len() / 2]), Sniffed::Incomplete);
        assert_eq!(sniff(b"GET / HT"), Sniffed::Incomplete);
        assert_eq!(sniff(b""), Sniffed::Incomplete);
    }

    #[test]
    fn an_address_is_no_name() {
        assert_eq!(sniff(b"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n"), Sniffed::Http(None));
        assert_eq!(sniff(b"GET / HTTP/1.1\r\n\r\n"), Sniffed::Http(None));
    }

    #[test]
    fn other_protocols_are_left_alone() {
        assert_eq!(sniff(b"\x00\x00\x00\x08\x04\xd2\x16\x2f"), Sniffed::Other);
        assert_eq!(sniff(b"\x16\x01junkjunk"), Sniffed::Other);
        assert_eq!(sniff(b"SSH-2.0-OpenSSH_9.2\r\n"), Sniffed::Other);
    }

    proptest! {
        #[test]
        fn no_bytes_break_it_and_no_name_can_split_a_header(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let as_host = [b"GET / HTTP/1.1\r\nHost: ", bytes.as_slice(), b"\r\n\r\n"].concat();
            for input in [bytes, as_host] {
                if let Some(name) = sniff(&input).host_name() {
                    prop_assert!(name.bytes().all(|b| b.is_ascii_graphic()));
                }
            }
        }
    }
}
