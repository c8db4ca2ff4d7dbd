//! What has to be done, from what is wanted and what exists. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::account::{Account, Live};
use crate::environment::{Environment, SchedulingPolicy};
use crate::secret::{self, Origin};
use crate::worker::{PerWorker, Worker};

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The deployment.
    pub environment: &'a Environment,
    /// Name of each worker's contents.
    pub releases: PerWorker<String>,
    /// Tag of the newest migration of each worker's Durable Objects.
    pub migration_tags: PerWorker<Option<String>>,
    /// Titles of KV namespaces.
    pub kv: BTreeSet<String>,
    /// Names of buckets.
    pub buckets: BTreeSet<String>,
    /// Secrets whose values are known here.
    pub known_secrets: BTreeSet<String>,
    /// This worker alone.
    pub only: Option<Worker>,
    /// The sandbox's image stays as it is.
    pub skip_image: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Makes a KV namespace.
    CreateKv(String),
    /// Makes an R2 bucket.
    CreateBucket(String),
    /// Makes the D1 database.
    CreateDatabase(String),
    /// Makes values of secrets of ours and keeps them.
    Generate(Vec<&'static str>),
    /// Applies migrations of D1.
    Migrate(String),
    /// Deploys a worker at once.
    Deploy(Upload),
    /// Uploads a version and gives it traffic step by step.
    Release(Upload, Gradual),
    /// Leaves a worker alone.
    Keep(Worker),
    /// Asks whether it works.
    Verify,
}

/// A version to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// Of this worker.
    pub worker: Worker,
    /// Name of its contents.
    pub release: String,
    /// Secrets that go with it.
    pub secrets: Vec<&'static str>,
    /// The version that has the traffic now.
    pub former: Option<String>,
    /// Whether nobody can go back to that one.
    pub one_way: bool,
    /// Whether the image of the sandbox stays as it is.
    pub skip_image: bool,
    /// Why so.
    pub reason: String,
}

/// How a version gets its traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradual {
    /// Percentages before all of it.
    pub steps: Vec<u8>,
    /// The version when an interrupted run has uploaded it.
    pub uploaded: Option<String>,
}

/// Makes the plan.
///
/// # Errors
/// All that an operator has to do first.
pub fn make(wanted: &Wanted<'_>, account: &Account) -> Result<Vec<Action>, Vec<String>> {
    let environment = wanted.environment;
    let mut faults = Vec::new();
    let mut plan: Vec<Action> = Vec::new();
    plan.extend(
        wanted
            .kv
            .iter()
            .filter(|title| !account.ids.kv.contains_key(*title))
            .cloned()
            .map(Action::CreateKv),
    );
    plan.extend(
        wanted
            .buckets
            .difference(&account.buckets)
            .cloned()
            .map(Action::CreateBucket),
    );
    if account.ids.database.is_none() {
        plan.push(Action::CreateDatabase(environment.database()));
    }
    if let Some(legacy) = &environment.legacy
        && !account.legacy_exists
    {
        faults.push(format!(
            "the account has no worker {:?} (`legacy.worker`): a binding to it would look bound and answer 503",
            legacy.worker
        ));
    }
    for worker in Worker::ALL
        .into_iter()
        .filter(|worker| wanted.only.is_some_and(|only| only != *worker))
    {
        if account.workers.of(worker).is_none() {
            faults.push(format!(
                "{worker} is not deployed yet: the first deployment is of all three"
            ));
        }
    }
    let selected = |worker: &Worker| wanted.only.is_none_or(|only| only == *worker);
    let (put, generate) = secrets(wanted, account, &mut faults);
    if !generate.is_empty() {
        plan.push(Action::Generate(generate));
    }
    if account.ids.database.is_none() || account.migrations_pending {
        plan.push(Action::Migrate(environment.database()));
    }
    for worker in Worker::ALL.into_iter().filter(selected) {
        let secrets = put.get(&worker).cloned().unwrap_or_default();
        plan.push(of_worker(worker, wanted, account.workers.of(worker).as_ref(), secrets));
    }
    plan.push(Action::Verify);
    if faults.is_empty() { Ok(plan) } else { Err(faults) }
}

fn of_worker(worker: Worker, wanted: &Wanted<'_>, live: Option<&Live>, secrets: Vec<&'static str>) -> Action {
    let release = wanted.releases.of(worker).clone();
    let environment = wanted.environment;
    let skip_image = wanted.skip_image && worker == Worker::ContainerGateway;
    let upload = |former: Option<&str>, one_way, reason: String| Upload {
        worker,
        release: release.clone(),
        secrets: secrets.clone(),
        former: former.map(str::to_owned),
        one_way,
        skip_image,
        reason,
    };
    let Some((live, main)) = live.and_then(|live| Some((live, live.main()?))) else {
        let takes = match worker {
            // wrangler asks nobody when nobody can answer.
            Worker::Router => format!(", and takes over {}", join(&environment.hosts())),
            Worker::Admin | Worker::ContainerGateway => String::new(),
        };
        return Action::Deploy(upload(None, false, format!("it is not there yet{takes}")));
    };
    let ours = |id: &String| live.versions.get(id).and_then(|version| version.release.as_ref()) == Some(&release);
    // A run that was interrupted leaves the traffic divided.
    let divided = live.shares.len() > 1;
    if !divided && ours(&main.id) && secrets.is_empty() {
        return Action::Keep(worker);
    }
    let uploaded = live
        .shares
        .iter()
        .find(|share| divided && secrets.is_empty() && ours(&share.version_id));
    let former = live
        .shares
        .iter()
        .find(|share| uploaded.is_none_or(|uploaded| uploaded.version_id != share.version_id));
    let former = former.map_or(main.id.as_str(), |share| share.version_id.as_str());
    let tag = wanted.migration_tags.of(worker);
    // Where the account does not say what was migrated, the upload will.
    if main.migration_tag.is_some() && main.migration_tag != *tag {
        let reason = "it migrates Durable Objects, which no gradual deployment can, and nobody can go back behind that";
        return Action::Deploy(upload(Some(former), true, reason.to_owned()));
    }
    if worker == Worker::ContainerGateway && skip_image {
        let reason = "without the sandbox's image a version cannot be uploaded for later";
        return Action::Deploy(upload(Some(former), false, reason.to_owned()));
    }
    if worker == Worker::ContainerGateway && environment.scheduling_policy == SchedulingPolicy::Default {
        let reason = "under the scheduling policy `default` only a whole deployment changes the image";
        return Action::Deploy(upload(Some(former), false, reason.to_owned()));
    }
    let reason = match (uploaded, secrets.is_empty()) {
        (Some(_), _) => "an earlier run was interrupted",
        (None, true) => "its contents changed",
        (None, false) => "it gets secrets that it lacks",
    };
    let reached = uploaded.map_or(0.0, |share| share.percentage);
    let gradual = Gradual {
        steps: environment
            .steps
            .iter()
            .copied()
            .filter(|percent| f64::from(*percent) > reached)
            .collect(),
        uploaded: uploaded.map(|share| share.version_id.clone()),
    };
    Action::Release(upload(Some(former), false, reason.to_owned()), gradual)
}

/// Secrets by the worker that they go to, and those that are to be made.
fn secrets(
    wanted: &Wanted<'_>,
    account: &Account,
    faults: &mut Vec<String>,
) -> (BTreeMap<Worker, Vec<&'static str>>, Vec<&'static str>) {
    let mut put: BTreeMap<Worker, Vec<&'static str>> = BTreeMap::new();
    let mut generate = Vec::new();
    for secret in secret::ALL {
        let known = wanted.known_secrets.contains(secret.name);
        if !secret.is_needed(wanted.environment) && !known {
            continue;
        }
        let has = |worker: &Worker| {
            let main = account.workers.of(*worker).as_ref().and_then(Live::main);
            main.is_some_and(|version| version.secrets.contains(secret.name))
        };
        let lacking: Vec<Worker> = secret.workers.iter().copied().filter(|worker| !has(worker)).collect();
        if lacking.is_empty() {
            continue;
        }
        match secret.origin {
            _ if known => {}
            Origin::Foreign => {
                faults.push(format!(
                    "{} is needed and not given: set it in the environment, or see --secrets-stdin",
                    secret.name
                ));
                continue;
            }
            _ if lacking.len() < secret.workers.len() => {
                faults.push(format!(
                    "{} is at some workers and not at {}, and its value is not known here: give it, or replace it with --rotate {}",
                    secret.name,
                    join(&lacking),
                    secret.name
                ));
                continue;
            }
            _ => generate.push(secret.name),
        }
        for worker in lacking {
            put.entry(worker).or_default().push(secret.name);
        }
    }
    (put, generate)
}

fn join<T: ToString>(list: &[T]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateKv(title) => write!(f, "create the KV namespace {title}"),
            Self::CreateBucket(name) => write!(f, "create the R2 bucket {name}"),
            Self::CreateDatabase(name) => write!(f, "create the D1 database {name}"),
            Self::Generate(names) => write!(f, "make and keep {}", join(names)),
            Self::Migrate(name) => write!(f, "apply the migrations of {name} (they only expand)"),
            Self::Deploy(upload) => {
                let at_once = if upload.former.is_some() { " at once" } else { "" };
                write!(
                    f,
                    "deploy {}{at_once}: {}{}",
                    upload.worker,
                    upload.reason,
                    with(&upload.secrets)
                )
            }
            Self::Release(upload, gradual) => {
                let steps: Vec<String> = gradual
                    .steps
                    .iter()
                    .chain([&100])
                    .map(|percent| format!("{percent} %"))
                    .collect();
                write!(
                    f,
                    "deploy {} by {}: {}{}",
                    upload.worker,
                    steps.join(", "),
                    upload.reason,
                    with(&upload.secrets)
                )
            }
            Self::Keep(worker) => write!(f, "leave {worker} as it is"),
            Self::Verify => f.write_str("ask whether it works"),
        }
    }
}

fn with(secrets: &[&str]) -> String {
    match secrets {
        [] => String::new(),
        some => format!(" (with {})", join(some)),
    }
}

#[cfg(test)]
mod tests;
