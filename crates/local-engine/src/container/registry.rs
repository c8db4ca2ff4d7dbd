//! The containers that exist.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Container;

/// All containers, by name.
#[derive(Debug, Default)]
pub struct Registry {
    containers: Mutex<BTreeMap<String, Arc<Container>>>,
}

/// Shortest beginning of an id by which a container is found.
const SHORTEST_ID: usize = 12;

impl Registry {
    /// Adds a container; gives it back if its name is taken.
    pub fn add(&self, container: Arc<Container>) -> Result<(), Arc<Container>> {
        let mut containers = self.lock();
        if containers.contains_key(&container.name) {
            return Err(container);
        }
        containers.insert(container.name.clone(), container);
        Ok(())
    }

    /// By name, id, or the beginning of an id of at least 12 digits.
    pub fn find(&self, reference: &str) -> Option<Arc<Container>> {
        let containers = self.lock();
        if let Some(container) = containers.get(reference.trim_start_matches('/')) {
            return Some(Arc::clone(container));
        }
        let by_id = |container: &&Arc<Container>| reference.len() >= SHORTEST_ID && container.id.starts_with(reference);
        containers.values().find(by_id).map(Arc::clone)
    }

    /// Takes a container out.
    pub fn remove(&self, name: &str) {
        self.lock().remove(name);
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Container>> {
        self.lock().values().map(Arc::clone).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Container>>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
