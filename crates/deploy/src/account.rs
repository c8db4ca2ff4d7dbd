//! What the account holds, as wrangler tells it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::configuration::Ids;
use crate::worker::{PerWorker, text};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Ids of resources.
    pub ids: Ids,
    /// Names of the buckets that exist, among those that are wanted.
    pub buckets: BTreeSet<String>,
    /// Whether the database lacks migrations.
    pub migrations_pending: bool,
    /// The workers that exist.
    pub workers: PerWorker<Option<Live>>,
    /// Whether the worker called `LEGACY` exists.
    pub legacy_exists: bool,
}

/// A worker that has a deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Versions with traffic, the one with most of it first.
    pub shares: Vec<Share>,
    /// What is known of them, by id.
    pub versions: BTreeMap<String, Version>,
}

impl Live {
    /// The version that most requests meet.
    pub fn main(&self) -> Option<&Version> {
        self.versions.get(&self.shares.first()?.version_id)
    }
}

/// Part of the traffic.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Share {
    /// Which version.
    pub version_id: String,
    /// 0 to 100.
    pub percentage: f64,
}

/// A version of a worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Version {
    /// Its id.
    pub id: String,
    /// Name of its contents, when we made it.
    pub release: Option<String>,
    /// What was said when it was made.
    pub message: Option<String>,
    /// ISO-8601.
    pub created_on: String,
    /// Newest migration of Durable Objects that it knows.
    pub migration_tag: Option<String>,
    /// Names of its secrets.
    pub secrets: BTreeSet<String>,
    /// Its variables.
    pub vars: BTreeMap<String, String>,
}

/// One deployment, in `deployments list --json` and `deployments status --json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Deployment {
    /// ISO-8601.
    pub created_on: String,
    /// Who got the traffic.
    pub versions: Vec<Share>,
}

impl Deployment {
    /// The one version that got everything.
    pub fn whole(&self) -> Option<&str> {
        let whole = self.versions.iter().find(|share| share.percentage >= 100.0);
        whole.map(|share| share.version_id.as_str())
    }
}

/// Reads `versions view --json`, or one of `versions list --json`, which lacks resources.
pub fn version(value: &Value) -> Option<Version> {
    let annotation = |name| text(value, &["annotations", name]).map(str::to_owned);
    let bindings = value
        .get("resources")
        .and_then(|resources| resources.get("bindings"))
        .and_then(Value::as_array);
    let mut version = Version {
        id: text(value, &["id"])?.to_owned(),
        release: annotation("workers/tag"),
        message: annotation("workers/message"),
        created_on: text(value, &["metadata", "created_on"]).unwrap_or_default().to_owned(),
        migration_tag: text(value, &["resources", "script_runtime", "migration_tag"]).map(str::to_owned),
        ..Version::default()
    };
    for binding in bindings.into_iter().flatten() {
        let name = text(binding, &["name"]).unwrap_or_default().to_owned();
        match text(binding, &["type"]) {
            Some("secret_text") => {
                version.secrets.insert(name);
            }
            Some("plain_text") => {
                version
                    .vars
                    .insert(name, text(binding, &["text"]).unwrap_or_default().to_owned());
            }
            _ => {}
        }
    }
    Some(version)
}

/// Reads `kv namespace list`: ids by title.
pub fn kv_ids(value: &Value) -> BTreeMap<String, String> {
    let of = |row: &Value| Some((text(row, &["title"])?.to_owned(), text(row, &["id"])?.to_owned()));
    value.as_array().into_iter().flatten().filter_map(of).collect()
}

/// Reads `d1 list --json`: id of the database `name`.
pub fn database_id(value: &Value, name: &str) -> Option<String> {
    let mut rows = value.as_array()?.iter();
    let row = rows.find(|row| text(row, &["name"]) == Some(name))?;
    text(row, &["uuid"]).map(str::to_owned)
}

/// Reads the JSON in what wrangler printed, with whatever it said before it.
pub fn json_in(output: &str) -> Option<Value> {
    let begins = output.lines().position(|line| line.starts_with(['[', '{']))?;
    let text = output.lines().skip(begins).collect::<Vec<_>>().join("\n");
    serde_json::Deserializer::from_str(&text).into_iter().next()?.ok()
}

/// The version to go back to from `current`: the newest of those made before it that have ever had all traffic.
pub fn version_before<'a>(current: &str, versions: &'a [Version], deployments: &[Deployment]) -> Option<&'a Version> {
    let made = &versions.iter().find(|version| version.id == current)?.created_on;
    let served = |version: &&Version| {
        deployments
            .iter()
            .any(|deployment| deployment.whole() == Some(&version.id))
    };
    let before = versions
        .iter()
        .filter(|version| version.created_on < *made)
        .filter(served);
    before.max_by(|one, other| one.created_on.cmp(&other.created_on))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_version_tells_its_release_secrets_variables_and_migrations() {
        let read = version(&json!({
            "id": "v", "metadata": {"created_on": "2026-01-01T00:00:00Z"},
            "annotations": {"workers/tag": "abc", "workers/message": "scripts/deploy 1"},
            "resources": {
                "bindings": [
                    {"type": "secret_text", "name": "KEY"}, {"type": "plain_text", "name": "LEGACY_MODE", "text": "off"},
                    {"type": "d1", "name": "PLATFORM_DB", "id": "x"},
                ],
                "script_runtime": {"migration_tag": "v2"},
            },
        }))
        .unwrap();
        assert_eq!(read.release.as_deref(), Some("abc"));
        assert_eq!(read.secrets, BTreeSet::from(["KEY".to_owned()]));
        assert_eq!(
            read.vars,
            BTreeMap::from([("LEGACY_MODE".to_owned(), "off".to_owned())])
        );
        assert_eq!(read.migration_tag.as_deref(), Some("v2"));
        assert_eq!(version(&json!({"metadata": {}})), None);
    }

    #[test]
    fn resources_are_found_by_name() {
        let namespaces = json!([{"id": "1", "title": "a"}, {"id": "2", "title": "b"}]);
        assert_eq!(kv_ids(&namespaces).get("b"), Some(&"2".to_owned()));
        let databases = json!([{"uuid": "1", "name": "a-platform"}, {"uuid": "2", "name": "platform"}]);
        assert_eq!(database_id(&databases, "platform").as_deref(), Some("2"));
        assert_eq!(database_id(&databases, "other"), None);
    }

    #[test]
    fn json_is_found_behind_what_wrangler_says_first() {
        assert_eq!(json_in("note\n[1,\n2]\nupdate available\n"), Some(json!([1, 2])));
        assert_eq!(json_in("{\"a\": 1}"), Some(json!({"a": 1})));
        assert_eq!(json_in("nothing"), None);
    }

    fn made(id: &str, created_on: &str) -> Version {
        Version {
            id: id.to_owned(),
            created_on: created_on.to_owned(),
            ..Version::default()
        }
    }

    fn deployed(shares: &[(&str, f64)]) -> Deployment {
        Deployment {
            created_on: String::new(),
            versions: shares
                .iter()
                .map(|(id, percentage)| Share {
                    version_id: (*id).to_owned(),
                    percentage: *percentage,
                })
                .collect(),
        }
    }

    #[test]
    fn back_is_to_the_version_before_that_has_served_everybody() {
        let versions = [made("a", "1"), made("b", "2"), made("half", "3"), made("c", "4")];
        let deployments = [
            deployed(&[("a", 100.0)]),
            deployed(&[("b", 100.0)]),
            deployed(&[("half", 50.0), ("b", 50.0)]),
            deployed(&[("c", 100.0)]),
        ];
        let before = |current| version_before(current, &versions, &deployments).map(|version| version.id.as_str());
        assert_eq!(before("c"), Some("b"));
        assert_eq!(
            before("b"),
            Some("a"),
            "a second rollback goes further back, not to and fro"
        );
        assert_eq!(before("a"), None);
        assert_eq!(before("unknown"), None);
    }
}
