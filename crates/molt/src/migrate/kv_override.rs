//! Writes the operator's override to KV by wrangler: the way that needs no worker of ours.

use super::args::Tools;
use molt_common::flag::{FlagOverride, OVERRIDE_KEY};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Binding of the namespace that routers read.
const BINDING: &str = "CONTROL_KV";

/// Where the override is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvPlace {
    /// Of the stack on this machine, by its state folder. It may be running.
    Local(PathBuf),
    /// Of a deployment, by the namespace's id. wrangler signs in as the operator does: by CLOUDFLARE_API_TOKEN, or its own log-in.
    Remote(String),
    /// Of a deployment whose namespace was not named.
    Unknown,
}

impl KvPlace {
    /// The arguments of wrangler that put `file` there.
    ///
    /// # Errors
    /// When nobody said where.
    pub fn arguments(&self, file: &str) -> Result<Vec<OsString>, String> {
        let mut arguments: Vec<OsString> = ["kv", "key", "put", OVERRIDE_KEY, "--path", file]
            .map(OsString::from)
            .into();
        match self {
            Self::Local(state) => {
                let mut option = |name: &str, value: PathBuf| {
                    arguments.push(name.into());
                    arguments.push(value.into());
                };
                option("--binding", BINDING.into());
                option("--persist-to", state.join("workers"));
                option("--config", state.join("wrangler/router/wrangler.json"));
                arguments.push("--local".into());
            }
            Self::Remote(namespace) => {
                arguments.extend(["--namespace-id", namespace, "--remote"].map(OsString::from));
            }
            Self::Unknown => {
                return Err(format!(
                    "nobody said which namespace {BINDING} is: give --kv-namespace its id (`wrangler kv namespace list` shows it)"
                ));
            }
        }
        Ok(arguments)
    }

    /// What a dry run says of it.
    #[must_use]
    pub fn described(&self) -> String {
        match self {
            Self::Local(_) => format!("{BINDING} of this stack"),
            Self::Remote(namespace) => format!("KV namespace {namespace}"),
            Self::Unknown => format!("{BINDING} (name it with --kv-namespace)"),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// Why it was not written, as far as wrangler says.
    pub fn write(&self, over: &FlagOverride, tools: &Tools) -> Result<(), String> {
        let (Some(node), Some(wrangler)) = (&tools.node, &tools.wrangler) else {
            return Err("wrangler was not found: run this by scripts/rollback-architecture.mjs, or set MOLT_NODE and MOLT_WRANGLER".into());
        };
        let failed = |error: &dyn std::fmt::Display| format!("the override could not be written: {error}");
        let text = serde_json::to_string(over).map_err(|error| failed(&error))?;
        // By a file of its own: arguments are readable by every process, and what is in a reason is nobody else's.
        let mut file = tempfile::NamedTempFile::new().map_err(|error| failed(&error))?;
        file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
        let mut command = Command::new(node);
        command
            .arg("--no-warnings")
            .arg(wrangler)
            .args(self.arguments(&file.path().to_string_lossy())?)
            .envs([
                ("CI", "1"),
                ("NO_COLOR", "1"),
                ("WRANGLER_SEND_METRICS", "false"),
                ("WRANGLER_WRITE_LOGS", "false"),
            ])
            // Not an operator's own credential for our API: wrangler has no business with it.
            .env_remove("MOLT_ADMIN_SECRET")
            .env_remove("MOLT_PROBE_TOKEN")
            .stdin(Stdio::null());
        if let Self::Local(state) = self {
            // A person's own settings and log-in play no part, and a stack that runs is not told of a second one.
            command
                .env("HOME", state.join("home"))
                .env_remove("CLOUDFLARE_API_TOKEN");
            command.env("XDG_CONFIG_HOME", state.join("home/.config"));
        }
        let output = command.output().map_err(|error| failed(&error))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stderr, output.stdout].concat();
        let said: String = String::from_utf8_lossy(&said).chars().take(600).collect();
        Err(failed(&format!(
            "wrangler ended with {}: {}",
            output.status,
            said.trim()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::KvPlace;

    #[test]
    fn wrangler_is_told_exactly_where() {
        let line = |place: KvPlace| {
            let words = place.arguments("/tmp/f").unwrap();
            words
                .iter()
                .map(|word| word.to_str().unwrap())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            line(KvPlace::Remote("0f2ac74b".into())),
            "kv key put flags:override --path /tmp/f --namespace-id 0f2ac74b --remote"
        );
        assert_eq!(
            line(KvPlace::Local("/s".into())),
            "kv key put flags:override --path /tmp/f --binding CONTROL_KV --persist-to /s/workers --config /s/wrangler/router/wrangler.json --local"
        );
        assert!(
            KvPlace::Unknown
                .arguments("/tmp/f")
                .unwrap_err()
                .contains("--kv-namespace")
        );
    }
}
