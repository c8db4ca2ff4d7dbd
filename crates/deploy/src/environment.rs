//! The file that describes one deployment: hosts, names, variables. It holds no secret and is no part of the repository. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use crate::worker::Worker;

/// Set by the deployment itself, so nobody may set them in the file.
const OWN_VARS: [&str; 2] = ["LEGACY_MODE", "MOLT_RELEASE"];

/// A deployment, as its file says it. JSON with comments; unknown fields are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Name of the deployment, for messages and for the file of its secrets.
    pub name: String,
    /// Cloudflare account; `CLOUDFLARE_ACCOUNT_ID` where absent.
    #[serde(default)]
    pub account_id: Option<String>,
    /// What the names of workers, KV namespaces and the database begin with.
    #[serde(default = "moltworker")]
    pub prefix: String,
    /// Host that people open.
    pub public_host: String,
    /// A second host of the router, for operators.
    #[serde(default)]
    pub admin_host: Option<String>,
    /// Zone whose routes lead the hosts to the router; without it they are custom domains, whose DNS and certificates Cloudflare makes.
    #[serde(default)]
    pub zone: Option<String>,
    /// Who places containers. Cannot be switched once deployed.
    #[serde(default)]
    pub scheduling_policy: SchedulingPolicy,
    /// Size and number of containers under the policy `default`; the other one takes them from each start.
    #[serde(default)]
    pub containers: Containers,
    /// Arguments of the build of the sandbox's image (`images/sandbox/Dockerfile`), for those whose base images come from elsewhere.
    #[serde(default)]
    pub image_build_args: BTreeMap<String, String>,
    /// Names of resources that are not to be the usual ones.
    #[serde(default)]
    pub resources: Resources,
    /// What ran before, when it still does.
    #[serde(default)]
    pub legacy: Option<Legacy>,
    /// Variables over those in `wrangler/`.
    #[serde(default)]
    pub vars: Vars,
    /// Percentages of the traffic that a new version gets before all of it.
    #[serde(default = "steps")]
    pub steps: Vec<u8>,
    /// Seconds for which each of these is watched.
    #[serde(default = "watch_seconds")]
    pub watch_seconds: u64,
    /// How the deployment is asked whether it works.
    #[serde(default)]
    pub verify: Verify,
    /// Where the secrets of this deployment are kept (mode 0600), outside of the repository.
    #[serde(default)]
    pub secrets_file: Option<PathBuf>,
}

/// Who places containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulingPolicy {
    /// The object that starts one names image and size.
    #[default]
    DurableObject,
    /// One image and size for all.
    Default,
}

/// Containers under the policy `default`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Containers {
    /// At most so many at once.
    #[serde(default = "max_instances")]
    pub max_instances: u32,
    /// Size of each.
    #[serde(default = "instance_type")]
    pub instance_type: String,
}

impl Default for Containers {
    fn default() -> Self {
        Self {
            max_instances: max_instances(),
            instance_type: instance_type(),
        }
    }
}

/// Names of resources.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// D1 database; `PREFIX-platform` where absent.
    #[serde(default)]
    pub database: Option<String>,
    /// R2 bucket; the one in `wrangler/` where absent.
    #[serde(default)]
    pub bucket: Option<String>,
    /// Titles of KV namespaces by binding; `PREFIX-<binding>` where absent.
    #[serde(default)]
    pub kv: BTreeMap<String, String>,
}

/// What ran before.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Legacy {
    /// Name of its worker.
    pub worker: String,
}

/// Variables by worker.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vars {
    /// Of the router.
    #[serde(default)]
    pub router: BTreeMap<String, String>,
    /// Of the admin API.
    #[serde(default)]
    pub admin: BTreeMap<String, String>,
    /// Of the gateway.
    #[serde(default, rename = "container-gateway")]
    pub container_gateway: BTreeMap<String, String>,
}

impl Vars {
    /// Those of one worker.
    pub fn of(&self, worker: Worker) -> &BTreeMap<String, String> {
        match worker {
            Worker::Router => &self.router,
            Worker::Admin => &self.admin,
            Worker::ContainerGateway => &self.container_gateway,
        }
    }
}

/// How the deployment is asked whether it works.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Address of the router, when it is not `https://PUBLIC_HOST`.
    #[serde(default)]
    pub url: Option<String>,
    /// Seconds until which a new version has to answer everywhere.
    #[serde(default = "verify_seconds")]
    pub seconds: u64,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            url: None,
            seconds: verify_seconds(),
        }
    }
}

fn moltworker() -> String {
    "moltworker".to_owned()
}

fn steps() -> Vec<u8> {
    vec![10, 50]
}

fn watch_seconds() -> u64 {
    30
}

fn verify_seconds() -> u64 {
    120
}

fn max_instances() -> u32 {
    20
}

fn instance_type() -> String {
    "standard-1".to_owned()
}

/// What is wrong with the file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// Not of the documented form.
    #[error("{0}")]
    Form(String),
    /// A field cannot be what it is.
    #[error("`{0}`: {1}")]
    Field(String, String),
}

impl Environment {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with the field's name.
    pub fn parse(text: &str) -> Result<Self, EnvironmentError> {
        let environment: Self = json5::from_str(text).map_err(|error| EnvironmentError::Form(error.to_string()))?;
        environment.check()?;
        Ok(environment)
    }

    fn check(&self) -> Result<(), EnvironmentError> {
        let fault = |field: &str, why: &str| Err(EnvironmentError::Field(field.to_owned(), why.to_owned()));
        if !is_name(&self.name) {
            return fault("name", NAME);
        }
        if !is_name(&self.prefix) {
            return fault("prefix", NAME);
        }
        if !is_host(&self.public_host) {
            return fault("public_host", HOST);
        }
        if self.admin_host.as_deref().is_some_and(|host| !is_host(host)) {
            return fault("admin_host", HOST);
        }
        if self.admin_host.as_ref() == Some(&self.public_host) {
            return fault("admin_host", "is the public host; leave it out");
        }
        if let Some(zone) = &self.zone {
            for (field, host) in [
                ("public_host", Some(&self.public_host)),
                ("admin_host", self.admin_host.as_ref()),
            ] {
                if host.is_some_and(|host| host != zone && !host.ends_with(&format!(".{zone}"))) {
                    return fault(field, "is not in `zone`");
                }
            }
        }
        if self.legacy.as_ref().is_some_and(|legacy| !is_name(&legacy.worker)) {
            return fault("legacy.worker", NAME);
        }
        if self
            .legacy
            .as_ref()
            .is_some_and(|legacy| Worker::ALL.iter().any(|worker| self.worker(*worker) == legacy.worker))
        {
            return fault("legacy.worker", "is one of the new workers");
        }
        let rising = self.steps.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || self.steps.iter().any(|percent| !(1..=99).contains(percent)) {
            return fault("steps", "must be rising percentages from 1 to 99");
        }
        let url_fits = |url: &String| url.starts_with("https://") || url.starts_with("http://127.0.0.1:");
        if self.verify.url.as_ref().is_some_and(|url| !url_fits(url)) {
            return fault("verify.url", "must begin with https://");
        }
        for worker in Worker::ALL {
            if let Some(name) = OWN_VARS
                .into_iter()
                .find(|name| self.vars.of(worker).contains_key(*name))
            {
                return fault(&format!("vars.{worker}.{name}"), "is set by the deployment itself");
            }
        }
        if self.sets("DEV_IDENTITY_USERS") {
            return fault("vars.router.DEV_IDENTITY_USERS", "is for development alone");
        }
        Ok(())
    }

    /// Name of a worker in the account.
    pub fn worker(&self, worker: Worker) -> String {
        let name = match worker {
            Worker::Router => "router",
            Worker::Admin => "admin-api",
            Worker::ContainerGateway => "container-gateway",
        };
        format!("{}-{name}", self.prefix)
    }

    /// Hosts of the router.
    pub fn hosts(&self) -> Vec<&str> {
        let hosts = [Some(self.public_host.as_str()), self.admin_host.as_deref()];
        hosts.into_iter().flatten().collect()
    }

    /// Name of the D1 database.
    pub fn database(&self) -> String {
        self.resources
            .database
            .clone()
            .unwrap_or_else(|| format!("{}-platform", self.prefix))
    }

    /// Title of the KV namespace of a binding.
    pub fn kv_title(&self, binding: &str) -> String {
        let usual = || format!("{}-{}", self.prefix, binding.to_ascii_lowercase().replace('_', "-"));
        self.resources.kv.get(binding).cloned().unwrap_or_else(usual)
    }

    /// Address at which the router is asked.
    pub fn url(&self) -> String {
        let url = self.verify.url.clone();
        url.unwrap_or_else(|| format!("https://{}", self.public_host))
            .trim_end_matches('/')
            .to_owned()
    }

    /// Whether the file gives this variable of the router a value.
    pub fn sets(&self, name: &str) -> bool {
        self.vars.router.get(name).is_some_and(|value| !value.is_empty())
    }

    /// Refuses variables that the worker does not have, which are spelt wrongly, and the lack of those that only an operator knows.
    ///
    /// # Errors
    /// Names the first.
    pub fn check_vars(&self, worker: Worker, known: &BTreeSet<String>) -> Result<(), EnvironmentError> {
        let fault = |name: &str, why: String| Err(EnvironmentError::Field(format!("vars.{worker}.{name}"), why));
        if let Some(name) = self.vars.of(worker).keys().find(|name| !known.contains(*name)) {
            return fault(name, format!("wrangler/{worker}.jsonc has no such variable"));
        }
        // The repository's own is the issuer of development.
        if worker == Worker::Router && !self.sets("JWT_ISSUER") && !self.sets("ACCESS_TEAM") {
            return fault("JWT_ISSUER", "must name the issuer of people's tokens".to_owned());
        }
        Ok(())
    }
}

const NAME: &str = "must be 1 to 40 lower-case letters, digits and hyphens, and begin with a letter";
const HOST: &str = "must be a host name without scheme, port or path";

fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

#[cfg(test)]
mod tests;
