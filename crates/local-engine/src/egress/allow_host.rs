//! Services of the host's network that a developer opens to every sandbox: `--allow-host NAME=IP:PORT`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::str::FromStr;

/// One value of `--allow-host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowHost {
    /// Host name inside, in lower case.
    pub name: String,
    /// Where it leads; the port is the same inside.
    pub address: SocketAddr,
}

impl FromStr for AllowHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = text.split_once('=').ok_or("expected NAME=IP:PORT")?;
        let name = name.to_ascii_lowercase();
        if !is_host_name(&name) || name == "localhost" {
            return Err(format!("{name:?} is no name that can be allowed"));
        }
        let address: SocketAddr = address.parse().map_err(|_| format!("{address:?} is not IP:PORT"))?;
        if address.port() == 0 {
            return Err("port 0 means nothing".to_owned());
        }
        Ok(Self { name, address })
    }
}

/// Letters, digits, `-`, `_` in labels of at most 63, and a letter somewhere, so that it is no address.
pub fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(label) && name.bytes().any(|b| b.is_ascii_alphabetic())
}

/// All of them, each name with an address that means it inside every sandbox.
#[derive(Debug, Default)]
pub struct AllowHosts {
    names: BTreeMap<String, Ipv4Addr>,
    services: BTreeMap<SocketAddrV4, SocketAddr>,
}

impl AllowHosts {
    /// Block that the addresses are taken from: set aside for benchmarks, so no host of any network has one.
    const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

    /// Gives every name an address. One name may lead to several ports.
    pub fn new(list: impl IntoIterator<Item = AllowHost>) -> Self {
        let mut all = Self::default();
        for AllowHost { name, address } in list {
            // At most as many as there are arguments, which is far fewer than addresses in the block.
            let next = Ipv4Addr::from_bits(Self::FIRST.to_bits() + all.names.len() as u32);
            let inside = *all.names.entry(name).or_insert(next);
            all.services.insert(SocketAddrV4::new(inside, address.port()), address);
        }
        all
    }

    /// The address of a name, inside.
    pub fn address_of(&self, name: &str) -> Option<Ipv4Addr> {
        self.names.get(name).copied()
    }

    /// Whether an address inside stands for one of the names.
    pub fn owns(&self, address: Ipv4Addr) -> bool {
        self.names.values().any(|own| *own == address)
    }

    /// Where a destination inside leads on the host's network; `None` for every port that was not allowed.
    pub fn leads_to(&self, destination: SocketAddrV4) -> Option<SocketAddr> {
        self.services.get(&destination).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_its_port_and_to_no_other() {
        let all = AllowHosts::new(
            ["Model.local=127.0.0.1:11434", "db=10.0.0.5:5432", "db=10.0.0.6:5433"]
                .map(|text| text.parse::<AllowHost>().unwrap()),
        );
        let model = all.address_of("model.local").unwrap();
        assert_eq!(
            all.leads_to(SocketAddrV4::new(model, 11_434)),
            Some("127.0.0.1:11434".parse().unwrap())
        );
        assert_eq!(all.leads_to(SocketAddrV4::new(model, 22)), None);
        let db = all.address_of("db").unwrap();
        assert_ne!(db, model);
        assert_eq!(
            all.leads_to(SocketAddrV4::new(db, 5_433)),
            Some("10.0.0.6:5433".parse().unwrap())
        );
        assert!(all.owns(db) && !all.owns(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for (text, reason) in [
            ("model", "NAME=IP:PORT"),
            ("model=localhost:80", "not IP:PORT"),
            ("model=127.0.0.1", "not IP:PORT"),
            ("model=127.0.0.1:0", "port 0"),
            ("=127.0.0.1:80", "no name"),
            ("1.2.3.4=127.0.0.1:80", "no name"),
            ("localhost=127.0.0.1:80", "no name"),
            ("a b=127.0.0.1:80", "no name"),
        ] {
            let error = text.parse::<AllowHost>().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
