//! What becomes of a connection that leaves a sandbox. Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use super::allow_host::AllowHosts;
use super::config::Config;
use super::names::Names;
use super::policy::{self, Refusal};

/// Destination that the edge is given for a name without an address. The edge itself connects onwards what it does not intercept, and
/// to this address every attempt fails at once, without a packet.
pub const NOWHERE: Ipv4Addr = Ipv4Addr::BROADCAST;

/// What a destination address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A service that the developer allowed, at this address of the host's network.
    Allowed(SocketAddr),
    /// A name that was looked up before, and the port.
    Named(String, u16),
    /// The address itself.
    Address(SocketAddrV4),
    /// An address that stands for nothing.
    Nothing,
}

/// What to do first, and what if the edge does not intercept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Ask the edge, with this destination.
    pub ask_edge: Option<SocketAddrV4>,
    /// If it was not asked, or lets the connection pass.
    pub otherwise: Otherwise,
}

/// What becomes of a connection that the edge does not intercept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Otherwise {
    /// The edge connects onwards itself.
    ThroughEdge,
    /// Connect from here.
    Direct(SocketAddr),
    /// Look the name up on the host, and connect to one of its public addresses.
    Resolve(String, u16),
    /// Nothing.
    Refuse(Refusal),
}

/// What `destination` means in a sandbox that knows these names.
pub fn target(destination: SocketAddrV4, allowed: &AllowHosts, names: &Names) -> Target {
    let address = *destination.ip();
    if let Some(service) = allowed.leads_to(destination) {
        return Target::Allowed(service);
    }
    if allowed.owns(address) {
        return Target::Nothing;
    }
    if Names::owns(address) {
        let name = names.name_of(address).map(str::to_owned);
        return name.map_or(Target::Nothing, |name| Target::Named(name, destination.port()));
    }
    Target::Address(destination)
}

/// The plan for a connection to `target` whose first bytes named `host_name`. `host` lists the machine's own addresses.
pub fn plan(target: &Target, host_name: Option<&str>, config: &Config, host: &[IpAddr]) -> Plan {
    let asks = |name: Option<&str>| {
        config.edge_port.is_some()
            && (config.intercepts_anything() || name.is_some_and(|name| config.intercepts_name(name)))
    };
    match target {
        Target::Allowed(service) => Plan {
            ask_edge: None,
            otherwise: Otherwise::Direct(*service),
        },
        Target::Nothing => Plan {
            ask_edge: None,
            otherwise: Otherwise::Refuse(Refusal::NotPublic),
        },
        Target::Named(name, port) => Plan {
            ask_edge: asks(Some(name)).then_some(SocketAddrV4::new(NOWHERE, *port)),
            otherwise: if config.internet {
                Otherwise::Resolve(name.clone(), *port)
            } else {
                Otherwise::Refuse(Refusal::NoInternet)
            },
        },
        Target::Address(address) => {
            let verdict = policy::check((*address.ip()).into(), config.internet, host);
            // An edge that connects onwards does so to any address it is given, the host's included: it must not learn of those.
            let safe = verdict.is_ok() || !config.edge_connects_onwards;
            let ask_edge = (safe && asks(host_name)).then_some(*address);
            let otherwise = match verdict {
                Err(refusal) => Otherwise::Refuse(refusal),
                Ok(()) if ask_edge.is_some() && config.edge_connects_onwards => Otherwise::ThroughEdge,
                Ok(()) => Otherwise::Direct((*address).into()),
            };
            Plan { ask_edge, otherwise }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(intercepts: &[&str], internet: bool, edge_connects_onwards: bool) -> Config {
        Config {
            edge_port: Some(9),
            intercepts: intercepts.iter().map(|name| (*name).to_owned()).collect(),
            internet,
            edge_connects_onwards,
        }
    }

    fn address(text: &str) -> Target {
        Target::Address(text.parse().unwrap())
    }

    fn refuse(refusal: Refusal) -> Otherwise {
        Otherwise::Refuse(refusal)
    }

    #[test]
    fn an_intercepted_name_goes_to_the_edge_and_nowhere_else() {
        let named = Target::Named("edge.internal".into(), 80);
        let got = plan(&named, None, &config(&["edge.internal"], false, false), &[]);
        assert_eq!(
            got,
            Plan {
                ask_edge: Some(SocketAddrV4::new(NOWHERE, 80)),
                otherwise: refuse(Refusal::NoInternet)
            }
        );
    }

    #[test]
    fn the_edge_is_not_bothered_with_what_it_cannot_intercept() {
        let config = config(&["edge.internal"], true, true);
        let got = plan(&address("1.1.1.1:443"), Some("example.com"), &config, &[]);
        assert_eq!(
            got,
            Plan {
                ask_edge: None,
                otherwise: Otherwise::Direct("1.1.1.1:443".parse().unwrap())
            }
        );
    }

    #[test]
    fn one_connection_is_made_to_a_public_address_not_two() {
        let with_edge = plan(&address("1.1.1.1:80"), None, &config(&["*"], true, true), &[]);
        assert_eq!(with_edge.otherwise, Otherwise::ThroughEdge);
        let restarted_edge = plan(&address("1.1.1.1:80"), None, &config(&["*"], true, false), &[]);
        assert_eq!(
            restarted_edge.otherwise,
            Otherwise::Direct("1.1.1.1:80".parse().unwrap())
        );
        assert!(restarted_edge.ask_edge.is_some());
    }

    #[test]
    fn an_edge_that_connects_onwards_never_hears_of_an_address_near_the_host() {
        for near in ["127.0.0.1:22", "10.0.0.1:80", "169.254.169.254:80", "100.64.1.1:80"] {
            let got = plan(
                &address(near),
                Some("edge.internal"),
                &config(&["*", "edge.internal"], true, true),
                &[],
            );
            assert_eq!(
                got,
                Plan {
                    ask_edge: None,
                    otherwise: refuse(Refusal::NotPublic)
                },
                "{near}"
            );
        }
    }

    #[test]
    fn an_intercept_by_private_address_works_while_the_edge_connects_nowhere() {
        let got = plan(&address("10.0.0.1:80"), None, &config(&["*"], false, false), &[]);
        assert_eq!(
            got,
            Plan {
                ask_edge: Some("10.0.0.1:80".parse().unwrap()),
                otherwise: refuse(Refusal::NoInternet)
            }
        );
    }

    #[test]
    fn nothing_is_asked_before_the_edge_has_said_where_it_is() {
        let config = Config {
            edge_port: None,
            ..config(&["*"], false, false)
        };
        assert_eq!(plan(&address("10.0.0.1:80"), None, &config, &[]).ask_edge, None);
    }

    #[test]
    fn an_allowed_service_is_reached_at_its_port_alone() {
        let allowed = AllowHosts::new([crate::egress::allow_host::AllowHost {
            name: "model".into(),
            address: "127.0.0.1:11434".parse().unwrap(),
        }]);
        let inside = allowed.address_of("model").unwrap();
        let names = Names::default();
        let good = target(SocketAddrV4::new(inside, 11_434), &allowed, &names);
        assert_eq!(
            plan(&good, None, &config(&["*"], false, false), &[]).otherwise,
            Otherwise::Direct("127.0.0.1:11434".parse().unwrap())
        );
        assert_eq!(target(SocketAddrV4::new(inside, 22), &allowed, &names), Target::Nothing);
    }

    #[test]
    fn an_address_that_stood_for_no_name_leads_nowhere() {
        let unknown: SocketAddrV4 = "198.19.0.9:80".parse().unwrap();
        let got = target(unknown, &AllowHosts::default(), &Names::default());
        assert_eq!(got, Target::Nothing);
        assert_eq!(
            plan(&got, Some("edge.internal"), &config(&["*"], true, true), &[]).ask_edge,
            None
        );
    }

    proptest! {
        /// Whatever the settings, neither we nor the edge ever connect to what the policy refuses.
        #[test]
        fn no_setting_opens_a_refused_address(bits: u32, port: u16, internet: bool, onwards: bool, all: bool) {
            let destination = SocketAddrV4::new(Ipv4Addr::from_bits(bits), port);
            let config = config(if all { &["*"] } else { &["x"] }, internet, onwards && internet);
            let got = plan(&Target::Address(destination), Some("x"), &config, &[]);
            if policy::check((*destination.ip()).into(), internet, &[]).is_err() {
                prop_assert!(matches!(got.otherwise, Otherwise::Refuse(_)));
                prop_assert!(got.ask_edge.is_none() || !config.edge_connects_onwards);
            }
            if got.otherwise == Otherwise::ThroughEdge {
                prop_assert!(got.ask_edge.is_some());
            }
        }
    }
}
