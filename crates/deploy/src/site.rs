//! One deployment at work: the clone, the account, and the configurations made from both.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use wrangler_config::WorkerConfig;

use crate::account::Account;
use crate::configuration::{self, FLAG_VARS, Ids};
use crate::environment::Environment;
use crate::plan::Wanted;
use crate::release;
use crate::secret_store::SecretStore;
use crate::verify::Probe;
use crate::worker::{PerWorker, Worker};
use crate::wrangler::Wrangler;

/// A deployment.
pub struct Site {
    /// Its description.
    pub environment: Environment,
    /// wrangler for it.
    pub wrangler: Wrangler,
    /// Ids of its resources, as far as they are known.
    pub ids: Ids,
    root: PathBuf,
    repository: PerWorker<WorkerConfig>,
    flags: Vec<(&'static str, String)>,
}

impl Site {
    /// Reads the configurations of the clone at `root`.
    ///
    /// # Errors
    /// When one of them cannot be used, or the environment sets variables that none has.
    pub fn open(root: &Path, environment: Environment, wrangler: Wrangler) -> Result<Self, String> {
        let folder = root.join("wrangler");
        let repository = PerWorker::try_new(|worker| {
            let path = folder.join(format!("{worker}.jsonc"));
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let config = WorkerConfig::parse(&text, &folder).map_err(|error| format!("{}: {error}", path.display()))?;
            environment
                .check_vars(worker, &configuration::known_vars(&config))
                .map_err(|error| error.to_string())?;
            Ok::<_, String>(config)
        })?;
        let mut site = Self {
            environment,
            wrangler,
            ids: Ids::default(),
            root: root.to_owned(),
            repository,
            flags: Vec::new(),
        };
        site.settle(&Account::default());
        Ok(site)
    }

    /// Takes over what exists.
    pub fn settle(&mut self, account: &Account) {
        self.ids.clone_from(&account.ids);
        let router = account.workers.of(Worker::Router).as_ref().and_then(|live| live.main());
        let var = |name| {
            let live = router.and_then(|version| version.vars.get(name)).map(String::as_str);
            (name, configuration::flag_var(&self.environment, live, name).to_owned())
        };
        self.flags = FLAG_VARS.map(var).to_vec();
    }

    /// The configuration of a worker.
    pub fn config(&self, worker: Worker, ids: &Ids, release: Option<&str>) -> Value {
        configuration::effective(
            worker,
            self.repository.of(worker),
            &self.environment,
            ids,
            &self.flags,
            release,
        )
    }

    /// Writes it where wrangler reads it, outside of the clone.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn write_config(&self, worker: Worker, release: Option<&str>) -> Result<PathBuf, String> {
        let folder = self.wrangler.scratch().join(worker.name());
        let path = folder.join("wrangler.json");
        let text = format!("{:#}\n", self.config(worker, &self.ids, release));
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, text));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// What is wanted, for a plan.
    ///
    /// # Errors
    /// When a worker is not built.
    pub fn wanted(&self, store: &SecretStore, only: Option<Worker>, skip_image: bool) -> Result<Wanted<'_>, String> {
        let nameless = |worker| self.config(worker, &Ids::default(), None);
        let configs = PerWorker::try_new(|worker| Ok::<_, String>(nameless(worker)))?;
        let releases = PerWorker::try_new(|worker| {
            release::of(worker, &self.root, configs.of(worker)).map_err(|error| error.to_string())
        })?;
        let migration_tags = PerWorker::try_new(|worker| {
            Ok::<_, String>(configuration::migration_tag(configs.of(worker)).map(str::to_owned))
        })?;
        let all = Worker::ALL.map(|worker| configs.of(worker));
        Ok(Wanted {
            environment: &self.environment,
            releases,
            migration_tags,
            kv: all
                .iter()
                .flat_map(|config| configuration::kv_titles(config, &self.environment))
                .collect(),
            buckets: all.iter().flat_map(|config| configuration::buckets(config)).collect(),
            known_secrets: store.names().map(str::to_owned).collect(),
            only,
            skip_image,
        })
    }

    /// Gives versions of a worker their parts of the traffic.
    ///
    /// # Errors
    /// What wrangler says.
    pub fn give(&self, worker: Worker, shares: &[(&str, u8)], message: &str) -> Result<(), String> {
        let config = self.write_config(worker, None)?;
        let mut arguments = vec!["versions".to_owned(), "deploy".to_owned()];
        arguments.extend(shares.iter().map(|(id, percent)| format!("{id}@{percent}")));
        arguments.extend([
            "--yes".to_owned(),
            format!("--message={message}"),
            "-c".to_owned(),
            config.to_string_lossy().into_owned(),
        ]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.wrangler
            .perform(&arguments)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    /// Asks with the operator's admin key, or with the bootstrap secret of the deployment.
    ///
    /// # Errors
    /// When there is neither.
    pub fn probe(&self, store: &SecretStore) -> Result<Probe, String> {
        let secret = credential(store).ok_or(
            "set MOLT_ADMIN_SECRET to an admin key with the scope fleet:read: without one nobody can tell whether it works",
        )?;
        self.probe_with(Some(&secret))
    }

    /// The same, but content with what everybody may ask: a way back must not need a credential of what is broken. Says so.
    ///
    /// # Errors
    /// When the credential is none.
    pub fn probe_at_least(&self, store: &SecretStore) -> Result<Probe, String> {
        let secret = credential(store);
        if secret.is_none() {
            println!("NOT CHECKED: the admin API and the sandboxes (MOLT_ADMIN_SECRET is not set)");
        }
        self.probe_with(secret.as_deref())
    }

    fn probe_with(&self, secret: Option<&str>) -> Result<Probe, String> {
        let limit = Duration::from_secs(self.environment.verify.seconds);
        Probe::new(&self.environment.url(), secret, limit)
    }
}

fn credential(store: &SecretStore) -> Option<String> {
    let given = std::env::var("MOLT_ADMIN_SECRET")
        .ok()
        .filter(|value| !value.is_empty());
    given.or_else(|| store.value("MOLTBOT_GATEWAY_MASTER_TOKEN").map(str::to_owned))
}
