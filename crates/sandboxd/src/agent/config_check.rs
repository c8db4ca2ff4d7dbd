//! Asks the agent's own program whether a document fits its schema, without starting it. Runs in a process of the agent's user.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use molt_common::redaction;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::launch::{OPENCLAW_ENTRY, openclaw_env};
use crate::process::environment;
use crate::settings::{AgentKind, Settings};

/// Variable in which the program finds the document.
pub const PATH_VARIABLE: &str = "OPENCLAW_CONFIG_PATH";
/// Most that is wrong with a document that is told, and how long one of it may be, in characters.
const MOST_ISSUES: usize = 5;
const LONGEST_ISSUE: usize = 300;

/// The program that checks. It prints JSON: `{"valid": true}`, or `{"valid": false, "issues": [{"path", "message"}]}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    program: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Check {
    /// The one of the agent that this sandbox runs.
    pub fn of(settings: &Settings) -> io::Result<Self> {
        let layout = &settings.layout;
        let mut env = environment::plain(layout);
        let (program, args) = match settings.agent {
            AgentKind::Openclaw => {
                env.extend(openclaw_env());
                let entry = layout.openclaw_dir.join(OPENCLAW_ENTRY);
                let entry = entry.to_string_lossy().into_owned();
                let args = [entry.as_str(), "config", "validate", "--json"].map(str::to_owned);
                (layout.node_bin.join("node"), args.to_vec())
            }
            AgentKind::Echo => {
                let args = ["echo-agent", "--check-config"].map(str::to_owned);
                (crate::process::own_program::own_program()?, args.to_vec())
            }
        };
        Ok(Self { program, args, env })
    }

    #[cfg(test)]
    pub fn by_shell(script: &str) -> Self {
        Self {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]),
        }
    }

    /// Whether the document in this file fits; if not, why.
    pub fn run(&self, document: &Path) -> Result<(), String> {
        let output = Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .env(PATH_VARIABLE, document)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("it could not be checked: {error}"))?;
        let told = String::from_utf8_lossy(&output.stdout);
        let told = told.get(told.find('{').unwrap_or(0)..).unwrap_or_default();
        let answer: Value = serde_json::from_str(told).unwrap_or_default();
        match answer["valid"].as_bool() {
            Some(true) => Ok(()),
            Some(false) => Err(issues(&answer)),
            None => Err(format!(
                "it could not be checked: the agent's program ended with {}",
                output.status
            )),
        }
    }
}

fn issues(answer: &Value) -> String {
    let issues = answer["issues"].as_array().map(Vec::as_slice).unwrap_or_default();
    let told: Vec<String> = issues
        .iter()
        .take(MOST_ISSUES)
        .map(|issue| {
            let text = |name: &str| issue[name].as_str().unwrap_or_default().to_owned();
            let issue = format!("{}: {}", text("path"), text("message"));
            redaction::text(&issue).chars().take(LONGEST_ISSUE).collect()
        })
        .collect();
    if told.is_empty() {
        "the agent's schema does not take it".to_owned()
    } else {
        told.join("; ")
    }
}
