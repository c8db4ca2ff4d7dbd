//! Carries out a plan, one announced step after the other; what fails is undone in the order of a rollback.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::plan::{Action, Gradual, Upload};
use crate::secret;
use crate::secret_store::SecretStore;
use crate::site::Site;
use crate::verify::{Expected, Probe, choose};
use crate::worker::{PerWorker, Worker};
use crate::wrangler::WranglerError;

/// What a run needs.
pub struct Run<'a> {
    /// The deployment.
    pub site: &'a mut Site,
    /// Values of secrets.
    pub store: &'a mut SecretStore,
    /// Stands in the messages of all versions that this run makes.
    pub message: String,
    /// Asks whether it works. Made when it is first needed: a first deployment makes the credential.
    probe: Option<Probe>,
    changed: Vec<Changed>,
    live: PerWorker<Option<String>>,
}

/// A worker that this run has changed.
struct Changed {
    worker: Worker,
    former: Option<String>,
    one_way: bool,
}

impl<'a> Run<'a> {
    /// Begins one.
    pub fn new(site: &'a mut Site, store: &'a mut SecretStore, message: String) -> Self {
        Self {
            site,
            store,
            message,
            probe: None,
            changed: Vec::new(),
            live: PerWorker::default(),
        }
    }

    /// Carries out the plan.
    ///
    /// # Errors
    /// What failed, after the former versions were restored; both are told.
    pub fn carry_out(&mut self, plan: &[Action]) -> Result<(), String> {
        for (index, action) in plan.iter().enumerate() {
            println!("{}/{} {action}", index + 1, plan.len());
            if let Err(why) = self.act(action, plan) {
                return Err(format!("{why}{}", self.restore()));
            }
        }
        Ok(())
    }

    fn act(&mut self, action: &Action, plan: &[Action]) -> Result<(), String> {
        match action {
            Action::CreateKv(title) => {
                self.perform(&["kv", "namespace", "create", title])?;
                let list = self
                    .site
                    .wrangler
                    .ask_json(&["kv", "namespace", "list"])
                    .map_err(|error| error.to_string())?;
                self.site.ids.kv = crate::account::kv_ids(&list);
                self.site
                    .ids
                    .kv
                    .contains_key(title)
                    .then_some(())
                    .ok_or_else(|| format!("{title} is not there after it was made"))
            }
            Action::CreateBucket(name) => self.perform(&["r2", "bucket", "create", name]),
            Action::CreateDatabase(name) => {
                self.perform(&["d1", "create", name])?;
                let list = self
                    .site
                    .wrangler
                    .ask_json(&["d1", "list", "--json"])
                    .map_err(|error| error.to_string())?;
                self.site.ids.database = crate::account::database_id(&list, name);
                self.site
                    .ids
                    .database
                    .is_some()
                    .then_some(())
                    .ok_or_else(|| format!("{name} is not there after it was made"))
            }
            Action::Generate(names) => self.generate(names),
            Action::Migrate(database) => {
                let config = self.site.write_config(Worker::Admin, None)?;
                self.perform(&[
                    "d1",
                    "migrations",
                    "apply",
                    database,
                    "--remote",
                    "-c",
                    &config.to_string_lossy(),
                ])
            }
            Action::Deploy(upload) => self.deploy(upload, plan),
            Action::Release(upload, gradual) => self.release(upload, gradual, plan),
            Action::Keep(_) => Ok(()),
            Action::Verify => self.verify(plan),
        }
    }

    fn perform(&self, arguments: &[&str]) -> Result<(), String> {
        self.site
            .wrangler
            .perform(arguments)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    /// Kept before any worker gets them: what a worker has signed or sealed with a key that nobody knows is lost.
    fn generate(&mut self, names: &[&'static str]) -> Result<(), String> {
        for name in names {
            let made = secret::find(name).map(secret::Secret::generate).transpose();
            let made = made.map_err(|error| format!("no randomness: {error}"))?.flatten();
            self.store
                .keep(name, made.as_deref())
                .map_err(|error| error.to_string())?;
        }
        println!("    kept in {}", self.store.path().display());
        Ok(())
    }

    fn deploy(&mut self, upload: &Upload, plan: &[Action]) -> Result<(), String> {
        let config = self.site.write_config(upload.worker, Some(&upload.release))?;
        let secrets = self.secrets(upload)?;
        let mut arguments = self.upload_arguments("deploy", upload, &config);
        if upload.skip_image {
            arguments.push("--containers-rollout=none".to_owned());
        }
        // Even a call that fails may have changed the worker before it did.
        self.note(upload);
        let made = self.uploaded(&arguments, secrets.as_deref()).map_err(text)?;
        self.live.of_mut(upload.worker).clone_from(&made);
        println!(
            "    {} is version {}",
            upload.worker,
            made.as_deref().unwrap_or("without an id")
        );
        // At a first deployment there is nobody yet who could be asked.
        let first = plan
            .iter()
            .any(|action| matches!(action, Action::Deploy(upload) if upload.former.is_none()));
        if first { Ok(()) } else { self.expect(upload, None) }
    }

    fn release(&mut self, upload: &Upload, gradual: &Gradual, plan: &[Action]) -> Result<(), String> {
        let former = upload
            .former
            .clone()
            .ok_or("there is no version beside which it could be released")?;
        let config = self.site.write_config(upload.worker, Some(&upload.release))?;
        let made = match &gradual.uploaded {
            Some(id) => id.clone(),
            None => {
                let secrets = self.secrets(upload)?;
                let mut arguments = vec!["versions".to_owned()];
                arguments.extend(self.upload_arguments("upload", upload, &config));
                match self.uploaded(&arguments, secrets.as_deref()) {
                    Err(error) if error.is_pending_migration() => {
                        println!(
                            "    it migrates Durable Objects, so {} is deployed at once",
                            upload.worker
                        );
                        let upload = Upload {
                            one_way: true,
                            ..upload.clone()
                        };
                        return self.deploy(&upload, plan);
                    }
                    made => made
                        .map_err(text)?
                        .ok_or("wrangler names no version for what it has uploaded")?,
                }
            }
        };
        self.note(upload);
        for percent in &gradual.steps {
            let (percent, rest) = (*percent, 100_u8.saturating_sub(*percent));
            self.site
                .give(upload.worker, &[(&made, percent), (&former, rest)], &self.message)?;
            println!("    {percent} % of {} is version {made}", upload.worker);
            self.expect(upload, Some(&made))?;
            let span = Duration::from_secs(self.site.environment.watch_seconds);
            let seen = self.probe()?.watch(span)?;
            println!("    {seen} rounds of requests, all answered as they should be");
        }
        self.site.give(upload.worker, &[(&made, 100)], &self.message)?;
        println!("    100 % of {} is version {made}", upload.worker);
        *self.live.of_mut(upload.worker) = Some(made);
        if upload.worker == Worker::Router {
            // Uploaded versions leave hosts and routes as they were.
            self.perform(&["triggers", "deploy", "-c", &config.to_string_lossy()])?;
        }
        self.expect(upload, None)
    }

    fn upload_arguments(&self, verb: &str, upload: &Upload, config: &Path) -> Vec<String> {
        let mut arguments = vec![verb.to_owned(), "-c".to_owned(), config.to_string_lossy().into_owned()];
        arguments.extend([
            format!("--tag={}", upload.release),
            format!("--message={}", self.message),
        ]);
        if !upload.secrets.is_empty() {
            arguments.push("--secrets-file=/dev/stdin".to_owned());
        }
        arguments
    }

    /// Uploads. The secrets come by standard input, so that an end at any moment leaves none of them in a file.
    fn uploaded(&self, arguments: &[String], secrets: Option<&str>) -> Result<Option<String>, WranglerError> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let answer = match secrets {
            Some(secrets) => self.site.wrangler.perform_with(&arguments, secrets),
            None => self.site.wrangler.perform(&arguments),
        };
        Ok(answer?.version_id().map(str::to_owned))
    }

    fn secrets(&self, upload: &Upload) -> Result<Option<String>, String> {
        if upload.secrets.is_empty() {
            return Ok(None);
        }
        let mut values = serde_json::Map::new();
        for name in &upload.secrets {
            let value = self
                .store
                .value(name)
                .ok_or_else(|| format!("the value of {name} is not known"))?;
            values.insert((*name).to_owned(), Value::from(value));
        }
        Ok(Some(json!(values).to_string()))
    }

    fn note(&mut self, upload: &Upload) {
        self.changed.push(Changed {
            worker: upload.worker,
            former: upload.former.clone(),
            one_way: upload.one_way,
        });
    }

    /// Waits until the new version answers: of the router by its name, among others also by its choice; the others behind it.
    fn expect(&mut self, upload: &Upload, among_others: Option<&str>) -> Result<(), String> {
        let release = Some(upload.release.clone());
        let expected = match (upload.worker, among_others) {
            (Worker::Router, id) => Expected {
                router: release,
                choose: id.map(|id| choose(&self.site.environment.worker(Worker::Router), id)),
                ..Expected::default()
            },
            (Worker::Admin, None) => Expected {
                admin: release,
                ..Expected::default()
            },
            _ => Expected::default(),
        };
        self.probe()?.until(&expected)
    }

    /// The end: what answers is what was deployed, and the account says the same.
    fn verify(&mut self, plan: &[Action]) -> Result<(), String> {
        let mut expected = Expected::default();
        for action in plan {
            if let Action::Deploy(upload) | Action::Release(upload, _) = action {
                match upload.worker {
                    Worker::Router => expected.router = Some(upload.release.clone()),
                    Worker::Admin => expected.admin = Some(upload.release.clone()),
                    Worker::ContainerGateway => {}
                }
            }
        }
        self.probe()?.until(&expected)?;
        for worker in Worker::ALL {
            if let Some(made) = self.live.of(worker) {
                let live = crate::observe::live(&self.site.wrangler, &self.site.environment.worker(worker));
                let live = live.map_err(|error| error.to_string())?;
                let whole =
                    live.is_some_and(|live| live.shares.len() == 1 && live.main().is_some_and(|main| main.id == *made));
                if !whole {
                    return Err(format!("{worker}: version {made} does not have all traffic"));
                }
            }
        }
        Ok(())
    }

    fn probe(&mut self) -> Result<&Probe, String> {
        if self.probe.is_none() {
            self.probe = Some(self.site.probe(self.store)?);
        }
        self.probe.as_ref().ok_or_else(|| "nobody to ask".to_owned())
    }

    /// Gives all traffic back to the former versions, callers first. Says what came of it.
    fn restore(&mut self) -> String {
        let mut told = String::new();
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_by_key(|changed| std::cmp::Reverse(changed.worker));
        for changed in changed {
            let worker = changed.worker;
            let outcome = match (&changed.former, changed.one_way) {
                (None, _) => format!("{worker} has no former version to go back to"),
                (Some(former), true) => {
                    format!("{worker} cannot go back to {former}: the new version migrated Durable Objects")
                }
                (Some(former), false) => match self.site.give(worker, &[(former, 100)], "scripts/deploy: restored") {
                    Ok(()) => format!("{worker} is back at version {former}"),
                    Err(error) => format!("{worker} could NOT be brought back to version {former}: {error}"),
                },
            };
            told.push_str("\n  ");
            told.push_str(&outcome);
        }
        told
    }
}

fn text(error: WranglerError) -> String {
    error.to_string()
}
