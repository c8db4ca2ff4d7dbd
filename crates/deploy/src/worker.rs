//! The three workers, in the order in which a deployment needs them. Pure.

use std::fmt;

use clap::ValueEnum;
use serde_json::Value;

/// A worker of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Worker {
    /// The sandboxes. First: the admin API binds to its class.
    ContainerGateway,
    /// The admin API.
    Admin,
    /// The public worker. Last: it calls the other two.
    Router,
}

impl Worker {
    /// All of them; what is called comes before what calls it, since contracts expand before they contract. Rollbacks go the other way.
    pub const ALL: [Self; 3] = [Self::ContainerGateway, Self::Admin, Self::Router];

    /// Name of its folder below `workers/` and of its file below `wrangler/`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ContainerGateway => "container-gateway",
            Self::Admin => "admin",
            Self::Router => "router",
        }
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One of a thing for each worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PerWorker<T>([T; 3]);

impl<T> PerWorker<T> {
    /// Makes one for each.
    ///
    /// # Errors
    /// The first that `make` gives.
    pub fn try_new<E>(mut make: impl FnMut(Worker) -> Result<T, E>) -> Result<Self, E> {
        let [first, second, third] = Worker::ALL;
        Ok(Self([make(first)?, make(second)?, make(third)?]))
    }

    /// That of one worker.
    pub fn of(&self, worker: Worker) -> &T {
        &self.0[worker as usize]
    }

    /// That of one worker, to change it.
    pub fn of_mut(&mut self, worker: Worker) -> &mut T {
        &mut self.0[worker as usize]
    }
}

/// Text at a path of keys in a JSON value.
pub fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |value, key| value.get(key))?.as_str()
}
