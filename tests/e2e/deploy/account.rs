//! What the stand-in for wrangler has kept and written down.

use crate::program::Operator;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Calls that only ask.
const QUESTIONS: [&str; 9] = [
    "whoami",
    "kv namespace list",
    "r2 bucket info",
    "d1 list",
    "d1 migrations list",
    "deployments status",
    "deployments list",
    "versions list",
    "versions view",
];

/// One call of wrangler.
pub struct Call(Value);

impl Call {
    /// Its arguments without paths and messages, which differ from run to run.
    pub fn line(&self) -> String {
        let mut words = Vec::new();
        let mut path = false;
        for word in self.arguments() {
            if !path
                && !["-c", "--message", "--tag", "--secrets-file"]
                    .iter()
                    .any(|noise| word.starts_with(noise))
            {
                words.push(word);
            }
            path = word == "-c";
        }
        let name = self.0["config"]["name"]
            .as_str()
            .map(|name| format!(" [{name}]"))
            .unwrap_or_default();
        format!("{}{name}", words.join(" "))
    }

    /// Its arguments.
    pub fn arguments(&self) -> Vec<&str> {
        self.0["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect()
    }

    /// The configuration that it was given.
    pub fn config(&self) -> &Value {
        &self.0["config"]
    }

    /// Its environment.
    pub fn environment(&self) -> &Value {
        &self.0["env"]
    }

    /// The secrets that it was given.
    pub fn secrets(&self) -> BTreeMap<String, String> {
        serde_json::from_value(self.0["secrets"].clone()).unwrap_or_default()
    }

    /// Mode of the file in which they were.
    pub fn secrets_mode(&self) -> Option<u64> {
        self.0["secretsMode"].as_u64()
    }

    fn asks(&self) -> bool {
        let line = self.arguments().join(" ");
        QUESTIONS.iter().any(|question| line.starts_with(question))
    }
}

/// All calls since the last time, which are forgotten.
pub fn calls(operator: &Operator) -> Vec<Call> {
    let file = operator.folder.path().join("calls.ndjson");
    let text = fs::read_to_string(&file).unwrap_or_default();
    if file.exists() {
        fs::remove_file(file).unwrap();
    }
    text.lines()
        .map(|line| Call(serde_json::from_str(line).unwrap()))
        .collect()
}

/// Those that change something.
pub fn changes(operator: &Operator) -> Vec<String> {
    calls(operator)
        .iter()
        .filter(|call| !call.asks())
        .map(Call::line)
        .collect()
}

/// What the account holds.
pub fn read(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("account.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Versions of a worker with their parts of the traffic.
pub fn shares(operator: &Operator, worker: &str) -> Vec<(String, u64)> {
    let account = read(operator.folder.path());
    let deployments = account["workers"][worker]["deployments"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let shares = deployments
        .last()
        .map(|last| last["versions"].as_array().cloned().unwrap())
        .unwrap_or_default();
    let of = |share: &Value| {
        (
            share["version_id"].as_str().unwrap().to_owned(),
            share["percentage"].as_u64().unwrap(),
        )
    };
    shares.iter().map(of).collect()
}

/// Puts a worker into the account that somebody else has deployed.
pub fn add_foreign_worker(operator: &Operator, name: &str) {
    let version = serde_json::json!({"id": "v", "created_on": "2025-01-01T00:00:00Z", "vars": {}, "secrets": {}});
    let account = serde_json::json!({
        "clock": 0, "kv": [], "buckets": [], "databases": [], "migrated": false,
        "workers": {name: {"versions": [version], "deployments": [{"created_on": "", "versions": [{"version_id": "v", "percentage": 100}]}]}},
    });
    fs::write(operator.folder.path().join("account.json"), account.to_string()).unwrap();
}

/// Makes the account one in which this worker was deployed longer ago, before its newest migration of Durable Objects.
pub fn age(operator: &Operator, worker: &str) {
    let mut account = read(operator.folder.path());
    for version in account["workers"][worker]["versions"].as_array_mut().unwrap() {
        version["tag"] = "older".into();
        version["migration_tag"] = "v0".into();
    }
    fs::write(operator.folder.path().join("account.json"), account.to_string()).unwrap();
}
