//! Back to the versions before.

use std::collections::BTreeMap;

use crate::account::{Deployment, Live, Version, version_before};
use crate::observe;
use crate::secret_store::SecretStore;
use crate::site::Site;
use crate::verify::Expected;
use crate::worker::Worker;

/// What is known of a worker.
#[derive(Clone, Debug)]
pub struct History {
    /// What is live.
    pub live: Live,
    /// Its newest versions.
    pub versions: Vec<Version>,
    /// Its newest deployments.
    pub deployments: Vec<Deployment>,
}

/// A worker goes back.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Which.
    pub worker: Worker,
    /// From this version.
    pub from: String,
    /// To this one.
    pub to: String,
}

/// What goes back, callers before what they call: the workers that the newest run has changed, or one that is named. Pure.
///
/// # Errors
/// When nothing can go back.
pub fn plan(histories: &BTreeMap<Worker, History>, only: Option<Worker>) -> Result<Vec<Step>, String> {
    let main = |worker| histories.get(&worker).and_then(|history: &History| history.live.main());
    let newest = Worker::ALL
        .into_iter()
        .filter_map(main)
        .max_by(|one, other| one.created_on.cmp(&other.created_on));
    // Versions of one run say the same; a version that says nothing was made by other means.
    let run = newest.and_then(|version| version.message.clone());
    let selected = |worker: &Worker| match only {
        Some(only) => *worker == only,
        None => run.is_none() || main(*worker).is_some_and(|version| version.message == run),
    };
    let mut steps = Vec::new();
    for worker in Worker::ALL.into_iter().rev().filter(selected) {
        let Some(history) = histories.get(&worker) else {
            continue;
        };
        let Some(from) = history.live.main() else { continue };
        let Some(to) = version_before(&from.id, &history.versions, &history.deployments) else {
            return Err(format!("{worker} has no version before {} among the newest", from.id));
        };
        steps.push(Step {
            worker,
            from: from.id.clone(),
            to: to.id.clone(),
        });
    }
    if steps.is_empty() {
        Err("nothing is deployed that could go back".to_owned())
    } else {
        Ok(steps)
    }
}

/// Makes the plan and carries it out.
///
/// # Errors
/// What stands in the way, or what does not work afterwards.
pub fn run(site: &Site, store: &SecretStore, only: Option<Worker>, dry_run: bool) -> Result<(), String> {
    let text = |error: crate::wrangler::WranglerError| error.to_string();
    let mut histories = BTreeMap::new();
    for worker in Worker::ALL {
        let name = site.environment.worker(worker);
        if let Some(live) = observe::live(&site.wrangler, &name).map_err(text)? {
            let (versions, deployments) = observe::history(&site.wrangler, &name).map_err(text)?;
            histories.insert(
                worker,
                History {
                    live,
                    versions,
                    deployments,
                },
            );
        }
    }
    let steps = plan(&histories, only)?;
    for step in &steps {
        let name = site.environment.worker(step.worker);
        let (from, to) = (
            observe::version(&site.wrangler, &name, &step.from).map_err(text)?,
            observe::version(&site.wrangler, &name, &step.to).map_err(text)?,
        );
        if from.migration_tag != to.migration_tag {
            return Err(format!(
                "{}: version {} does not know the Durable Objects of {}; nobody can go back behind a migration, so deploy a repaired version",
                step.worker, step.to, step.from
            ));
        }
        if let Some(lost) = from.secrets.difference(&to.secrets).next() {
            println!("note: version {} of {} has no {lost}", step.to, step.worker);
        }
    }
    let probe = site.probe_at_least(store)?;
    let mut release = None;
    for (index, step) in steps.iter().enumerate() {
        println!(
            "{}/{} {} from version {} to {}",
            index + 1,
            steps.len(),
            step.worker,
            step.from,
            step.to
        );
        if dry_run {
            continue;
        }
        site.give(step.worker, &[(&step.to, 100)], "scripts/deploy rollback")?;
        if step.worker == Worker::Router {
            let history = histories.get(&step.worker);
            let to = history.and_then(|history| history.versions.iter().find(|version| version.id == step.to));
            release = to.and_then(|version| version.release.clone());
        }
    }
    if dry_run {
        return Ok(());
    }
    probe.until(&Expected {
        router: release,
        ..Expected::default()
    })?;
    println!("the former versions answer; data, migrations of D1 and secrets' values elsewhere stay as they are");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Share;

    fn history(message: &str, made: &[&str], current: &str) -> History {
        let version = |id: &&str| Version {
            id: (*id).to_owned(),
            created_on: (*id).to_owned(),
            message: Some(if *id == current {
                message.to_owned()
            } else {
                "earlier".to_owned()
            }),
            ..Version::default()
        };
        let share = |id: &str| Share {
            version_id: id.to_owned(),
            percentage: 100.0,
        };
        History {
            live: Live {
                shares: vec![share(current)],
                versions: BTreeMap::from([(current.to_owned(), version(&current))]),
            },
            versions: made.iter().map(version).collect(),
            deployments: made
                .iter()
                .map(|id| Deployment {
                    created_on: (*id).to_owned(),
                    versions: vec![share(id)],
                })
                .collect(),
        }
    }

    fn names(steps: &[Step]) -> Vec<(Worker, &str)> {
        steps.iter().map(|step| (step.worker, step.to.as_str())).collect()
    }

    #[test]
    fn callers_go_back_before_what_they_call() {
        let all = Worker::ALL.map(|worker| (worker, history("run 2", &["1", "2"], "2")));
        let steps = plan(&BTreeMap::from(all), None).unwrap();
        assert_eq!(
            names(&steps),
            [
                (Worker::Router, "1"),
                (Worker::Admin, "1"),
                (Worker::ContainerGateway, "1")
            ]
        );
    }

    #[test]
    fn only_what_the_newest_run_changed_goes_back() {
        let histories = BTreeMap::from([
            (Worker::Router, history("run 2", &["1", "3"], "3")),
            (Worker::Admin, history("run 1", &["0", "1"], "1")),
            (Worker::ContainerGateway, history("run 2", &["1", "2"], "2")),
        ]);
        let of = |only| plan(&histories, only).unwrap();
        assert_eq!(
            names(&of(None)),
            [(Worker::Router, "1"), (Worker::ContainerGateway, "1")]
        );
        assert_eq!(names(&of(Some(Worker::Admin))), [(Worker::Admin, "0")]);
    }

    #[test]
    fn a_worker_without_a_version_before_stops_all() {
        let histories = BTreeMap::from([
            (Worker::Router, history("run 1", &["1", "2"], "2")),
            (Worker::Admin, history("run 1", &["1"], "1")),
        ]);
        assert!(
            plan(&histories, None)
                .unwrap_err()
                .contains("admin has no version before")
        );
        assert!(plan(&BTreeMap::new(), None).is_err());
    }
}
