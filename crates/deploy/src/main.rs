//! `scripts/deploy`: brings the workers to a Cloudflare account through wrangler, and back. docs/deploying.md is its manual.

mod account;
mod args;
mod configuration;
mod dry_run;
mod environment;
mod execute;
mod observe;
mod plan;
mod release;
mod rollback;
mod rotate;
mod secret;
mod secret_store;
mod site;
mod status;
mod verify;
mod worker;
mod wrangler;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;

use crate::account::Account;
use crate::args::{Action, Args};
use crate::environment::Environment;
use crate::execute::Run;
use crate::secret_store::SecretStore;
use crate::site::Site;
use crate::worker::Worker;
use crate::wrangler::Wrangler;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let text = fs::read_to_string(&args.env).map_err(|error| format!("{}: {error}", args.env.display()))?;
    let environment = Environment::parse(&text).map_err(|error| format!("{}: {error}", args.env.display()))?;
    // For its owner alone, and gone at the end.
    let scratch = tempfile::Builder::new()
        .prefix("moltworker-deploy-")
        .tempdir()
        .map_err(|error| format!("no temporary folder: {error}"))?;
    let wrangler = Wrangler::new(&args.node, &args.wrangler, scratch.path());
    let mut store = open_store(args, &environment)?;
    let mut site = Site::open(&args.root, environment, wrangler)?;
    let action = if args.rollback { Action::Rollback } else { args.action };
    if action == Action::Rollback {
        // Nothing else of the account is looked at: whatever is broken must not stand in the way.
        sign_in(&mut site)?;
        return rollback::run(&site, &store, args.only, args.dry_run);
    }
    let account = look(&mut site);
    if args.dry_run && action == Action::Deploy {
        return dry_run::run(
            &site,
            &store,
            account.as_ref().map_err(Clone::clone),
            args.only,
            args.skip_image,
        );
    }
    let account = account?;
    if action == Action::Status {
        status::print(&site, &account);
        return Ok(());
    }
    if args.rotate.is_empty() {
        deploy(args, &mut site, &mut store, &account)
    } else {
        rotate(args, &site, &mut store)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn open_store(args: &Args, environment: &Environment) -> Result<SecretStore, String> {
    let mut input = None;
    if args.secrets_stdin {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| format!("standard input: {error}"))?;
        input = Some(text);
    }
    let path = match &environment.secrets_file {
        Some(path) => home(path)?,
        None => state_home()?
            .join("moltworker")
            .join(format!("{}.secrets.json", environment.name)),
    };
    SecretStore::open(&path, &args.root, variable, input.as_deref()).map_err(|error| error.to_string())
}

/// `~/` is the home of whoever deploys.
fn home(path: &Path) -> Result<PathBuf, String> {
    match path.strip_prefix("~") {
        Ok(rest) => variable("HOME")
            .map(|home| Path::new(&home).join(rest))
            .ok_or_else(|| "HOME is not set".to_owned()),
        Err(_) if path.is_absolute() => Ok(path.to_owned()),
        Err(_) => Err("`secrets_file` must be an absolute path or begin with ~/".to_owned()),
    }
}

fn state_home() -> Result<PathBuf, String> {
    match variable("XDG_STATE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => home(Path::new("~/.local/state")),
    }
}

/// Checks the credentials and finds the account.
fn sign_in(site: &mut Site) -> Result<(), String> {
    let id = observe::account_id(&site.wrangler, &site.environment, variable)?;
    site.wrangler.set_account(&id);
    Ok(())
}

/// Looks at the account.
fn look(site: &mut Site) -> Result<Account, String> {
    sign_in(site)?;
    let text = |error: wrangler::WranglerError| error.to_string();
    let buckets = Worker::ALL.map(|worker| configuration::buckets(&site.config(worker, &site.ids, None)));
    let buckets = buckets.into_iter().flatten().collect();
    let mut account = observe::account(&site.wrangler, &site.environment, &buckets).map_err(text)?;
    site.settle(&account);
    if account.ids.database.is_some() {
        let config = site.write_config(Worker::Admin, None)?;
        let pending = observe::migrations_pending(&site.wrangler, &config, &site.environment.database());
        account.migrations_pending = pending.map_err(text)?;
    }
    Ok(account)
}

fn deploy(args: &Args, site: &mut Site, store: &mut SecretStore, account: &Account) -> Result<(), String> {
    let plan = {
        let wanted = site.wanted(store, args.only, args.skip_image)?;
        let plan = plan::make(&wanted, account).map_err(|faults| faults.join("\n  "))?;
        check_ready(args, site, store, &plan)?;
        plan
    };
    let new_fence = plan
        .iter()
        .any(|action| matches!(action, plan::Action::Generate(names) if names.contains(&"LEGACY_FENCE_TOKEN")));
    Run::new(site, store, message()).carry_out(&plan)?;
    if let (true, Some(legacy)) = (new_fence, &site.environment.legacy) {
        println!(
            "give {} the new LEGACY_FENCE_TOKEN of {}",
            legacy.worker,
            store.path().display()
        );
    }
    println!(
        "{} is deployed and answers at {}",
        site.environment.name,
        site.environment.url()
    );
    Ok(())
}

/// What would stop a run half-way stops it before its first step.
fn check_ready(args: &Args, site: &Site, store: &SecretStore, plan: &[plan::Action]) -> Result<(), String> {
    let made = |action: &plan::Action| matches!(action, plan::Action::Generate(names) if names.contains(&"MOLTBOT_GATEWAY_MASTER_TOKEN"));
    if !plan.iter().any(made) {
        site.probe(store)?;
    }
    let image = plan.iter().any(|action| match action {
        plan::Action::Deploy(upload) | plan::Action::Release(upload, _) => upload.worker == Worker::ContainerGateway,
        _ => false,
    });
    if image && !args.skip_image && !dry_run::has_docker() {
        return Err("the gateway changed and there is no Docker to build the sandbox's image; --skip-image leaves the image as it is".to_owned());
    }
    Ok(())
}

fn rotate(args: &Args, site: &Site, store: &mut SecretStore) -> Result<(), String> {
    let mut secrets = Vec::new();
    for name in &args.rotate {
        secrets.push(secret::find(name).ok_or_else(|| format!("no worker has a secret {name:?}"))?);
    }
    let message = message();
    for secret in secrets {
        rotate::rotate(site, store, secret, &message)?;
        println!("{} is replaced and kept in {}", secret.name, store.path().display());
    }
    Ok(())
}

/// Names a run in the messages of its versions.
fn message() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |span| span.as_millis());
    format!("scripts/deploy {now:x}")
}
