//! Ports on 127.0.0.1.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

/// Why there is no port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Somebody listens there.
    #[error("port {0} of 127.0.0.1 is in use; choose another --port")]
    InUse(u16),
    /// The numbers end at 65535.
    #[error("{0} ports from {1} on do not exist; choose a lower --port")]
    TooHigh(u16, u16),
    /// The system gave none.
    #[error("no free port: {0}")]
    None(#[from] std::io::Error),
}

/// Ports of the routers: `count` from `first` on, each checked to be free; any free ones when `first` is 0.
///
/// # Errors
/// See [`PortError`].
pub fn for_routers(first: u16, count: u16) -> Result<Vec<u16>, PortError> {
    if first == 0 {
        return free(usize::from(count));
    }
    let last = first
        .checked_add(count.saturating_sub(1))
        .ok_or(PortError::TooHigh(count, first))?;
    (first..=last)
        .map(|port| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .map(|_| port)
                .map_err(|_| PortError::InUse(port))
        })
        .collect()
}

/// As many free ports, no two alike.
///
/// # Errors
/// When the system gives none.
pub fn free(count: usize) -> Result<Vec<u16>, PortError> {
    // All are held until all are found.
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()?;
    let ports: BTreeSet<u16> = listeners
        .iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect::<Result<_, _>>()?;
    Ok(ports.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_eq!(
            for_routers(port, 1).unwrap_err().to_string(),
            format!("port {port} of 127.0.0.1 is in use; choose another --port")
        );
    }

    #[test]
    fn ports_beyond_the_last_are_refused() {
        assert!(matches!(for_routers(65_535, 2), Err(PortError::TooHigh(2, 65_535))));
    }

    #[test]
    fn free_ports_differ() {
        let ports = for_routers(0, 4).unwrap();
        assert_eq!(ports.len(), 4);
    }
}
