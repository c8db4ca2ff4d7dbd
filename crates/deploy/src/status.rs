//! Says what is deployed.

use crate::account::Account;
use crate::secret;
use crate::site::Site;
use crate::worker::Worker;

/// Prints the workers with their versions, and what the account lacks.
pub fn print(site: &Site, account: &Account) {
    for worker in Worker::ALL {
        let name = site.environment.worker(worker);
        let Some(live) = account.workers.of(worker) else {
            println!("{name}: not deployed");
            continue;
        };
        for share in &live.shares {
            let version = live.versions.get(&share.version_id).cloned().unwrap_or_default();
            println!(
                "{name}: {} % version {}, release {}, made {}",
                share.percentage,
                share.version_id,
                version.release.as_deref().unwrap_or("unknown"),
                version.created_on
            );
        }
        let has = |name: &str| live.main().is_some_and(|version| version.secrets.contains(name));
        let needed = secret::ALL
            .iter()
            .filter(|secret| secret.workers.contains(&worker) && secret.is_needed(&site.environment));
        for secret in needed.filter(|secret| !has(secret.name)) {
            println!("{name}: lacks the secret {}", secret.name);
        }
        for (variable, value) in live.main().into_iter().flat_map(|version| &version.vars) {
            if variable == "LEGACY_MODE" || crate::configuration::FLAG_VARS.contains(&variable.as_str()) {
                println!("{name}: {variable} = {value}");
            }
        }
    }
    let database = account.ids.database.as_deref().unwrap_or("not there");
    println!(
        "D1 {}: {database}{}",
        site.environment.database(),
        if account.migrations_pending {
            ", lacks migrations"
        } else {
            ""
        }
    );
}
