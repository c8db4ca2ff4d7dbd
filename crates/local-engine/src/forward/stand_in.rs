//! Servers of this machine that stand for hosts of the internet: `--internet-host HOST:PORT=IP:PORT`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::egress::allow_host::is_host_name;

/// One value of `--internet-host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    /// Host name in lower case.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who stands for it.
    pub address: SocketAddr,
}

impl FromStr for StandIn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected HOST:PORT=IP:PORT";
        let (place, address) = text.split_once('=').ok_or(expected)?;
        let (host, port) = place.rsplit_once(':').ok_or(expected)?;
        let host = host.to_ascii_lowercase();
        if !is_host_name(&host) {
            return Err(format!("{host:?} is no host name"));
        }
        Ok(Self {
            host,
            port: port.parse().map_err(|_| format!("{port:?} is no port"))?,
            address: address.parse().map_err(|_| format!("{address:?} is not IP:PORT"))?,
        })
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct StandIns(BTreeMap<(String, u16), SocketAddr>);

impl StandIns {
    /// The last one for a host and port counts.
    pub fn new(list: impl IntoIterator<Item = StandIn>) -> Self {
        Self(
            list.into_iter()
                .map(|one| ((one.host, one.port), one.address))
                .collect(),
        )
    }

    /// Who stands for this host at this port.
    pub fn of(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.0.get(&(host.to_ascii_lowercase(), port)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_for_one_host_and_port() {
        let all = StandIns::new(["API.example.com:443=127.0.0.1:5000".parse().unwrap()]);
        assert_eq!(all.of("api.example.com", 443), Some("127.0.0.1:5000".parse().unwrap()));
        assert_eq!(all.of("api.example.com", 80), None);
        assert_eq!(all.of("example.com", 443), None);
        for bad in [
            "",
            "a.example=127.0.0.1:1",
            "a.example:x=127.0.0.1:1",
            "1.2.3.4:80=127.0.0.1:1",
            "a.example:80=localhost:1",
        ] {
            assert!(bad.parse::<StandIn>().is_err(), "{bad}");
        }
    }
}
