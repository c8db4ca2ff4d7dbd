//! Which addresses a sandbox may reach on the internet. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The sandbox was started without internet.
    #[error("the sandbox has no internet access")]
    NoInternet,
    /// Not an address of the public internet.
    #[error("not a public address")]
    NotPublic,
    /// An address of this machine.
    #[error("an address of the host")]
    Host,
}

/// Blocks of IPv4 that are not hosts of the public internet: the kernel's, private, shared, link-local, protocol, documentation,
/// relay, benchmark, multicast, reserved (IANA special-purpose registry).
const SPECIAL_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Whether a sandbox may connect to `address`. `host` lists the addresses of this machine's interfaces.
pub fn check(address: IpAddr, internet: bool, host: &[IpAddr]) -> Result<(), Refusal> {
    if !internet {
        return Err(Refusal::NoInternet);
    }
    let address = match address {
        IpAddr::V4(address) if is_public_v4(address) => IpAddr::V4(address),
        IpAddr::V6(address) if is_public_v6(address) => IpAddr::V6(address),
        _ => return Err(Refusal::NotPublic),
    };
    if host.iter().any(|own| canonical(*own) == address) {
        return Err(Refusal::Host);
    }
    Ok(())
}

fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    SPECIAL_V4
        .iter()
        .all(|(network, length)| (bits ^ network.to_bits()) >> (32 - length) != 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Only 2000::/3 is in use for hosts of the internet; everything that embeds an IPv4 address outside it (mapped, compatible,
    // translated) goes with the rest, and what embeds one inside it is refused by name.
    let [first, second, ..] = address.segments();
    let global = first & 0xe000 == 0x2000;
    let protocol_assignments = first == 0x2001 && second < 0x0200;
    let documentation = (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
    let six_to_four = first == 0x2002;
    global && !protocol_assignments && !documentation && !six_to_four
}

/// Addresses of this machine's interfaces.
pub fn host_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(address: &str) -> Result<(), Refusal> {
        check(
            address.parse().unwrap(),
            true,
            &["203.0.114.7".parse().unwrap(), "2a00::7".parse().unwrap()],
        )
    }

    #[test]
    fn public_addresses_pass_when_there_is_internet_and_only_then() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "104.16.0.1",
            "2606:4700::1111",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
        ] {
            assert_eq!(verdict(address), Ok(()), "{address}");
            assert_eq!(
                check(address.parse().unwrap(), false, &[]),
                Err(Refusal::NoInternet),
                "{address}"
            );
        }
    }

    #[test]
    fn everything_near_the_host_is_refused() {
        for address in [
            "127.0.0.1",
            "127.255.255.255",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "fec0::1",
        ] {
            assert_eq!(verdict(address), Err(Refusal::NotPublic), "{address}");
        }
    }

    #[test]
    fn the_hosts_own_public_address_is_refused() {
        assert_eq!(verdict("203.0.114.7"), Err(Refusal::Host));
        assert_eq!(verdict("2a00::7"), Err(Refusal::Host));
        let mapped: IpAddr = "::ffff:203.0.114.7".parse().unwrap();
        assert_eq!(
            check("203.0.114.7".parse().unwrap(), true, &[mapped]),
            Err(Refusal::Host)
        );
    }

    #[test]
    fn this_machine_knows_its_own_loopback() {
        assert!(host_addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }

    proptest! {
        #[test]
        fn what_the_standard_library_calls_special_never_passes(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_loopback() || address.is_private() || address.is_link_local() || address.is_multicast()
                || address.is_broadcast() || address.is_documentation() || address.is_unspecified();
            prop_assert!(!special || check(address.into(), true, &[]).is_err());
        }

        #[test]
        fn no_form_of_ipv6_leads_to_an_ipv4_address(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = address.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            let forms = [
                address.to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ];
            for form in forms {
                prop_assert_eq!(check(form.into(), true, &[]), Err(Refusal::NotPublic));
            }
        }

        #[test]
        fn without_internet_nothing_passes(bits: u128) {
            prop_assert!(check(Ipv6Addr::from_bits(bits).into(), false, &[]).is_err());
        }
    }
}
