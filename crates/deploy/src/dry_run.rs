//! What a deployment would do, and whether the workers can be deployed at all. Needs neither credentials nor a network.

use std::process::{Command, Stdio};

use crate::account::Account;
use crate::plan;
use crate::secret::{self, Origin};
use crate::secret_store::SecretStore;
use crate::site::Site;
use crate::worker::Worker;

/// Whether a Docker is there that can build images. wrangler looks at the same variable.
pub fn has_docker() -> bool {
    let program = std::env::var_os("WRANGLER_DOCKER_BIN").unwrap_or_else(|| "docker".into());
    let mut command = Command::new(program);
    command
        .arg("info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Prints the plan and has wrangler build each worker with its configuration. `account` is what was found there, or why nothing was.
///
/// # Errors
/// When a worker cannot be deployed, or the account is known and lacks something.
pub fn run(
    site: &Site,
    store: &SecretStore,
    account: Result<&Account, String>,
    only: Option<Worker>,
    skip_image: bool,
) -> Result<(), String> {
    let mut unchecked = Vec::new();
    let wanted = site.wanted(store, only, skip_image)?;
    let nothing = Account {
        legacy_exists: true,
        ..Account::default()
    };
    let (known, found) = match account {
        Ok(found) => (true, found),
        Err(why) => {
            unchecked.push(format!(
                "the account, so the plan is that of a first deployment ({why})"
            ));
            (false, &nothing)
        }
    };
    if let (false, Some(legacy)) = (known, &site.environment.legacy) {
        unchecked.push(format!("whether the worker {} (LEGACY) exists", legacy.worker));
    }
    // A plan for an empty account is of all three.
    let planned = if known {
        wanted
    } else {
        plan::Wanted { only: None, ..wanted }
    };
    let plan = plan::make(&planned, found);
    if let Err(faults) = &plan {
        println!("before {} can be deployed:", site.environment.name);
        for fault in faults {
            println!("  {fault}");
        }
    }
    // What is missing may be there by then.
    let given = plan::Wanted {
        known_secrets: secret::ALL
            .iter()
            .filter(|secret| secret.origin == Origin::Foreign && secret.is_needed(&site.environment))
            .map(|secret| secret.name.to_owned())
            .chain(planned.known_secrets.iter().cloned())
            .collect(),
        ..planned.clone()
    };
    if let Ok(actions) = plan.clone().or_else(|_| plan::make(&given, found)) {
        println!("plan for {}:", site.environment.name);
        for (index, action) in actions.iter().enumerate() {
            println!("  {}/{} {action}", index + 1, actions.len());
        }
    }
    for worker in Worker::ALL
        .into_iter()
        .filter(|worker| only.is_none_or(|only| only == *worker))
    {
        let release = planned.releases.of(worker);
        let config = site.write_config(worker, Some(release))?;
        let config = config.to_string_lossy();
        let mut arguments = vec!["deploy", "--dry-run", "-c", &config];
        if worker == Worker::ContainerGateway && (skip_image || !has_docker()) {
            arguments.push("--containers-rollout=none");
            unchecked.push(if skip_image {
                "the build of the sandbox's image (--skip-image)".to_owned()
            } else {
                "the build of the sandbox's image: there is no Docker here".to_owned()
            });
        }
        let answer = site.wrangler.perform(&arguments).map_err(|error| error.to_string())?;
        println!("{}, release {release}:", site.environment.worker(worker));
        for line in answer.output.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            println!("  {line}");
        }
    }
    for what in &unchecked {
        println!("NOT CHECKED: {what}");
    }
    match plan {
        Err(_) if known => Err("the account is not ready".to_owned()),
        _ => Ok(()),
    }
}
