//! What a developer or a test changes about the workers' configuration for one run. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::wrangler::topology::Worker;

/// `WORKER.NAME=VALUE`: a variable of one worker, instead of the one in its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VarOverride {
    /// Whose.
    pub worker: Worker,
    /// Its name.
    pub name: String,
    /// Its text; may be empty.
    pub value: String,
}

/// Why an override cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// Not of the form.
    #[error("it must look like WORKER.NAME=VALUE")]
    Form,
    /// There is no such worker.
    #[error("there is no worker {0:?}; they are router, admin, container-gateway and legacy")]
    Worker(String),
    /// Not JSON of the documented form.
    #[error("not JSON of the form {{\"router\": {{\"NAME\": \"VALUE\"}}}}")]
    Secrets,
}

fn worker(name: &str) -> Result<Worker, OverrideError> {
    let mut known = Worker::ALL.into_iter().chain([Worker::Legacy]);
    let found = known.find(|worker| worker.name() == name);
    found.ok_or_else(|| OverrideError::Worker(name.to_owned()))
}

impl FromStr for VarOverride {
    type Err = OverrideError;

    fn from_str(text: &str) -> Result<Self, OverrideError> {
        let (place, value) = text.split_once('=').ok_or(OverrideError::Form)?;
        let (owner, name) = place.split_once('.').ok_or(OverrideError::Form)?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(OverrideError::Form);
        }
        Ok(Self {
            worker: worker(owner)?,
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// Secrets of single workers beyond those of the stack. They come from a file: an argument is seen by everybody on the machine.
#[derive(Clone, Default)]
pub struct SecretOverrides(BTreeMap<&'static str, BTreeMap<String, String>>);

impl SecretOverrides {
    /// Reads `{"router": {"NAME": "VALUE"}}`.
    ///
    /// # Errors
    /// When it is not of that form or names another worker.
    pub fn parse(json: &str) -> Result<Self, OverrideError> {
        let given: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_str(json).map_err(|_| OverrideError::Secrets)?;
        let of = |(owner, secrets): (String, _)| Ok((worker(&owner)?.name(), secrets));
        given.into_iter().map(of).collect::<Result<_, _>>().map(Self)
    }

    /// Those of one worker, by name.
    pub fn of(&self, worker: Worker) -> impl Iterator<Item = (&str, &str)> {
        let own = self.0.get(worker.name()).into_iter().flatten();
        own.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for SecretOverrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretOverrides(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_names_its_worker() {
        let read: VarOverride = "container-gateway.SIGNUP=open=x".parse().unwrap();
        assert_eq!((read.worker, read.value.as_str()), (Worker::ContainerGateway, "open=x"));
        for bad in ["", "router", "router.X", "router.=x", "router.A-B=x", "X=1"] {
            assert_eq!(bad.parse::<VarOverride>(), Err(OverrideError::Form), "{bad}");
        }
        assert_eq!(
            "edge.X=1".parse::<VarOverride>(),
            Err(OverrideError::Worker("edge".into()))
        );
    }

    #[test]
    fn secrets_go_to_their_worker_and_are_not_shown() {
        let read = SecretOverrides::parse(r#"{"router": {"AUTH_API_KEY": "hunter2"}}"#).unwrap();
        assert_eq!(
            read.of(Worker::Router).collect::<Vec<_>>(),
            [("AUTH_API_KEY", "hunter2")]
        );
        assert_eq!(read.of(Worker::Admin).count(), 0);
        assert!(!format!("{read:?}").contains("hunter2"));
        assert!(SecretOverrides::parse(r#"{"edge": {}}"#).is_err());
        assert!(SecretOverrides::parse(r#"{"router": {"A": 1}}"#).is_err());
    }
}
