//! Replaces secrets of a running deployment. Keys by id change in two steps, so that at no time one worker signs with what another does not know.

use std::time::Duration;

use serde_json::json;

use crate::observe;
use crate::secret::{KeyRing, Origin, Secret};
use crate::secret_store::SecretStore;
use crate::site::Site;
use crate::verify::Expected;
use crate::worker::Worker;

/// Replaces one secret and asks after each step whether the deployment works. What fails is undone.
///
/// # Errors
/// Why nothing is changed any more.
pub fn rotate(site: &Site, store: &mut SecretStore, secret: &Secret, message: &str) -> Result<(), String> {
    let before = store.value(secret.name).map(str::to_owned);
    let values = values(secret, store)?;
    let mut changed: Vec<(Worker, String)> = Vec::new();
    let outcome = steps(site, store, secret, &values, message, &mut changed);
    let Err(why) = outcome else { return Ok(()) };
    let mut told = why;
    for (worker, former) in changed.iter().rev() {
        let back = site.give(*worker, &[(former, 100)], "scripts/deploy: restored");
        told.push_str(&match back {
            Ok(()) => format!("\n  {worker} is back at version {former}"),
            Err(error) => format!("\n  {worker} could NOT be brought back to version {former}: {error}"),
        });
    }
    if secret.origin != Origin::Foreign
        && let Err(error) = store.keep(secret.name, before.as_deref())
    {
        told.push_str(&format!("\n  the former value could NOT be kept: {error}"));
    }
    Err(told)
}

/// The values to set, one after the other.
fn values(secret: &Secret, store: &SecretStore) -> Result<Vec<String>, String> {
    let randomness = |error| format!("no randomness: {error}");
    let ring = store.value(secret.name).and_then(KeyRing::parse);
    match (secret.origin, ring) {
        (Origin::Foreign, _) if store.is_given(secret.name) => {
            Ok(store.value(secret.name).map(str::to_owned).into_iter().collect())
        }
        (Origin::Foreign, _) if !secret.from_environment => Err(format!(
            "{} is not ours to make: give the new value by --secrets-stdin",
            secret.name
        )),
        (Origin::Foreign, _) => Err(format!(
            "{} is not ours to make: give the new value in the environment or by --secrets-stdin",
            secret.name
        )),
        (Origin::KeyRing | Origin::RootKeyRing, Some(ring)) => {
            let rings = ring.rotated(secret.origin == Origin::RootKeyRing).map_err(randomness)?;
            Ok(rings.map(|ring| ring.text()).to_vec())
        }
        (Origin::RootKeyRing, None) => Err(format!(
            "the former keys of {} are not known here, and what is wrapped under them would be lost: put them into the secrets file first",
            secret.name
        )),
        (Origin::KeyRing, None) => {
            println!(
                "    the former keys are not known here: what was signed or sealed with them is refused from now on"
            );
            Ok(secret.generate().map_err(randomness)?.into_iter().collect())
        }
        (Origin::Text, _) => Ok(secret.generate().map_err(randomness)?.into_iter().collect()),
    }
}

fn steps(
    site: &Site,
    store: &mut SecretStore,
    secret: &Secret,
    values: &[String],
    message: &str,
    changed: &mut Vec<(Worker, String)>,
) -> Result<(), String> {
    for (index, value) in values.iter().enumerate() {
        println!("{}/{} set {}", index + 1, values.len(), secret.name);
        if secret.origin != Origin::Foreign {
            store
                .keep(secret.name, Some(value))
                .map_err(|error| error.to_string())?;
        }
        for worker in secret.workers {
            let former = set(site, *worker, secret.name, value, message)?;
            if !changed.iter().any(|(changed, _)| changed == worker) {
                changed.push((*worker, former));
            }
            println!("    {worker} has it");
        }
        let probe = site.probe(store)?;
        probe.until(&Expected::default())?;
        // A version takes a while to be everywhere, and nobody may sign with a key before all know it.
        if index + 1 < values.len() {
            probe.watch(Duration::from_secs(site.environment.watch_seconds))?;
        }
    }
    Ok(())
}

/// Makes a version of what is live with another secret, and deploys it. Returns the version before.
fn set(site: &Site, worker: Worker, name: &str, value: &str, message: &str) -> Result<String, String> {
    let deployed = site.environment.worker(worker);
    let text = |error: crate::wrangler::WranglerError| error.to_string();
    let live = observe::live(&site.wrangler, &deployed).map_err(text)?;
    let live = live
        .filter(|live| live.shares.len() == 1)
        .ok_or_else(|| format!("{worker} has not one version with all traffic; finish the deployment first"))?;
    let former = live.main().ok_or("no version")?;
    let newest = |site: &Site| -> Result<Option<String>, String> {
        let (versions, _) = observe::history(&site.wrangler, &deployed).map_err(text)?;
        Ok(versions
            .into_iter()
            .max_by(|one, other| one.created_on.cmp(&other.created_on))
            .map(|version| version.id))
    };
    // The new version is made from the newest, which is another one after a rollback.
    if newest(site)?.as_ref() != Some(&former.id) {
        return Err(format!(
            "{worker}: the newest version is not the one that is deployed; deploy first, then rotate"
        ));
    }
    let release = former.release.clone().unwrap_or_default();
    let (tag, message) = (format!("--tag={release}"), format!("--message={message}"));
    let mut arguments = vec!["versions", "secret", "bulk", "--name", &deployed, &message];
    if !release.is_empty() {
        arguments.push(&tag);
    }
    site.wrangler
        .perform_with(&arguments, &json!({name: value}).to_string())
        .map_err(text)?;
    let made = newest(site)?
        .filter(|id| *id != former.id)
        .ok_or_else(|| format!("{worker}: no version was made"))?;
    site.give(worker, &[(&made, 100)], message.trim_start_matches("--message="))?;
    Ok(former.id.clone())
}
