//! Looks at the account. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::account::{self, Account, Deployment, Live, Version};
use crate::environment::Environment;
use crate::worker::{PerWorker, text};
use crate::wrangler::{Wrangler, WranglerError};

/// What wrangler says when a database has all migrations.
const NO_MIGRATIONS: &str = "No migrations to apply";

/// Checks that the credentials are good, and finds the account.
///
/// # Errors
/// What to set.
pub fn account_id(
    wrangler: &Wrangler,
    environment: &Environment,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    if variable("CLOUDFLARE_API_TOKEN").is_none() {
        return Err(
            "CLOUDFLARE_API_TOKEN is not set; docs/deploying.md says which permissions the token needs".to_owned(),
        );
    }
    let given = variable("CLOUDFLARE_ACCOUNT_ID");
    if let (Some(given), Some(written)) = (&given, &environment.account_id)
        && given != written
    {
        return Err("CLOUDFLARE_ACCOUNT_ID is not the `account_id` of the environment".to_owned());
    }
    let answer = wrangler
        .ask_json(&["whoami", "--json"])
        .map_err(|error| format!("the API token is not accepted: {error}"))?;
    if let Some(id) = given.or_else(|| environment.account_id.clone()) {
        return Ok(id);
    }
    let accounts = answer
        .get("accounts")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    match accounts {
        [one] => text(one, &["id"])
            .map(str::to_owned)
            .ok_or_else(|| "wrangler names no account".to_owned()),
        _ => Err("the token is good for several accounts or tells none; set CLOUDFLARE_ACCOUNT_ID".to_owned()),
    }
}

/// Looks at everything that a plan depends on.
///
/// # Errors
/// When wrangler fails for another reason than that something does not exist.
pub fn account(
    wrangler: &Wrangler,
    environment: &Environment,
    buckets: &BTreeSet<String>,
) -> Result<Account, WranglerError> {
    let mut account = Account::default();
    account.ids.kv = account::kv_ids(&wrangler.ask_json(&["kv", "namespace", "list"])?);
    for bucket in buckets {
        match wrangler.ask(&["r2", "bucket", "info", bucket, "--json"]) {
            Ok(_) => {
                account.buckets.insert(bucket.clone());
            }
            Err(error) if error.is_no_bucket() => {}
            Err(error) => return Err(error),
        }
    }
    let databases = wrangler.ask_json(&["d1", "list", "--json"])?;
    account.ids.database = account::database_id(&databases, &environment.database());
    account.workers = PerWorker::try_new(|worker| live(wrangler, &environment.worker(worker)))?;
    if let Some(legacy) = &environment.legacy {
        account.legacy_exists = match wrangler.ask(&["deployments", "status", "--json", "--name", &legacy.worker]) {
            Ok(_) => true,
            Err(error) if error.is_no_worker() => false,
            Err(error) => return Err(error),
        };
    }
    Ok(account)
}

/// Whether the database lacks migrations. `config` names it with its id.
///
/// # Errors
/// When wrangler fails.
pub fn migrations_pending(wrangler: &Wrangler, config: &Path, database: &str) -> Result<bool, WranglerError> {
    let config = config.to_string_lossy();
    let answer = wrangler.ask(&["d1", "migrations", "list", database, "--remote", "-c", &config])?;
    // Applying changes nothing when there is none, so other words are taken for some.
    Ok(!answer.output.contains(NO_MIGRATIONS))
}

/// What is live of the worker called `name`.
///
/// # Errors
/// When wrangler fails for another reason than that there is no such worker.
pub fn live(wrangler: &Wrangler, name: &str) -> Result<Option<Live>, WranglerError> {
    let call = ["deployments", "status", "--json", "--name", name];
    let status = match wrangler.ask_json(&call) {
        Ok(status) => status,
        Err(error) if error.is_no_worker() => return Ok(None),
        Err(error) => return Err(error),
    };
    let deployment: Deployment =
        serde_json::from_value(status).map_err(|_| WranglerError::Answer(call.join(" "), "a deployment"))?;
    let mut shares = deployment.versions;
    shares.sort_by(|one, other| other.percentage.total_cmp(&one.percentage));
    let mut versions = BTreeMap::new();
    for share in &shares {
        versions.insert(share.version_id.clone(), version(wrangler, name, &share.version_id)?);
    }
    Ok(Some(Live { shares, versions }))
}

/// One version, with its bindings.
///
/// # Errors
/// When wrangler fails.
pub fn version(wrangler: &Wrangler, name: &str, id: &str) -> Result<Version, WranglerError> {
    let call = ["versions", "view", id, "--json", "--name", name];
    account::version(&wrangler.ask_json(&call)?).ok_or_else(|| WranglerError::Answer(call.join(" "), "a version"))
}

/// The newest versions of a worker and its newest deployments.
///
/// # Errors
/// When wrangler fails.
pub fn history(wrangler: &Wrangler, name: &str) -> Result<(Vec<Version>, Vec<Deployment>), WranglerError> {
    let versions = wrangler.ask_json(&["versions", "list", "--json", "--name", name])?;
    let versions = versions
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(account::version)
        .collect();
    let call = ["deployments", "list", "--json", "--name", name];
    let deployments = serde_json::from_value(wrangler.ask_json(&call)?)
        .map_err(|_| WranglerError::Answer(call.join(" "), "deployments"))?;
    Ok((versions, deployments))
}
