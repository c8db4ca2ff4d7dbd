//! Addresses that stand for intercepted names inside one sandbox: the kernel only tells us the address of a connection, and the edge
//! wants its name.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;

/// First address; the block is set aside for benchmarks, so no host of any network has one of them.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);
/// Names known at one time. The oldest is forgotten for a new one: a sandbox can ask for names without end.
const CAPACITY: usize = 4_096;

/// Names and their addresses, both ways.
#[derive(Debug, Default)]
pub struct Names {
    addresses: HashMap<String, Ipv4Addr>,
    names: HashMap<Ipv4Addr, String>,
    oldest_first: VecDeque<String>,
}

impl Names {
    /// The address of a name, a new one if it has none yet.
    pub fn address_of(&mut self, name: &str) -> Ipv4Addr {
        if let Some(address) = self.addresses.get(name) {
            return *address;
        }
        let address = if self.oldest_first.len() < CAPACITY {
            Ipv4Addr::from_bits(FIRST.to_bits() + self.oldest_first.len() as u32)
        } else {
            // The list is full, so there is an oldest one, and it has an address.
            self.oldest_first
                .pop_front()
                .and_then(|old| self.addresses.remove(&old))
                .unwrap_or(FIRST)
        };
        self.oldest_first.push_back(name.to_owned());
        self.addresses.insert(name.to_owned(), address);
        self.names.insert(address, name.to_owned());
        address
    }

    /// The name that an address stands for.
    pub fn name_of(&self, address: Ipv4Addr) -> Option<&str> {
        self.names.get(&address).map(String::as_str)
    }

    /// Whether an address is of the kind that stands for names.
    pub fn owns(address: Ipv4Addr) -> bool {
        address.to_bits() >> 16 == FIRST.to_bits() >> 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_address_and_is_found_by_it() {
        let mut names = Names::default();
        let edge = names.address_of("edge.internal");
        assert_ne!(names.address_of("other.internal"), edge);
        assert_eq!(names.address_of("edge.internal"), edge);
        assert_eq!(names.name_of(edge), Some("edge.internal"));
        assert!(Names::owns(edge));
        assert_eq!(names.name_of(Ipv4Addr::LOCALHOST), None);
    }

    #[test]
    fn a_flood_of_names_costs_no_more_memory_and_never_gives_two_names_one_address() {
        let mut names = Names::default();
        for number in 0..CAPACITY * 2 + 7 {
            let address = names.address_of(&format!("n{number}.example"));
            assert!(Names::owns(address));
            assert_eq!(names.name_of(address), Some(format!("n{number}.example").as_str()));
        }
        assert_eq!(names.addresses.len(), CAPACITY);
        assert_eq!(names.names.len(), CAPACITY);
        let mut seen: Vec<_> = names.addresses.values().collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), CAPACITY);
    }
}
