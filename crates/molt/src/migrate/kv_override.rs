//! Writes the operator's override to KV by wrangler: the way that needs no worker of ours.

use super::args::Tools;
use super::site::{BINDING, Site};
use molt_common::flag::{FlagOverride, OVERRIDE_KEY};
use serde::Deserialize;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where the override is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvPlace {
    /// Of the stack on this machine, by its state folder. It may be running.
    Local(PathBuf),
    /// Of a deployment, by the namespace's id. wrangler signs in as the operator does: by CLOUDFLARE_API_TOKEN, or its own log-in.
    Remote(String),
    /// Of a deployment, by its file: the namespace is looked for by its title.
    Described(Box<Site>),
    /// Of a deployment whose namespace was not named.
    Unknown,
}

impl KvPlace {
    /// The arguments of wrangler that put `file` there.
    ///
    /// # Errors
    /// When nobody said where.
    fn arguments(&self, file: &str) -> Result<Vec<OsString>, String> {
        let words = ["kv", "key", "put", OVERRIDE_KEY, "--path", file];
        let mut arguments: Vec<OsString> = words.map(OsString::from).into();
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
                Ok(arguments)
            }
            Self::Remote(namespace) => {
                arguments.extend(["--namespace-id", namespace, "--remote"].map(OsString::from));
                Ok(arguments)
            }
            Self::Described(_) | Self::Unknown => Err(format!(
                "nobody said which namespace {BINDING} is: give --env FILE, or --kv-namespace its id (`wrangler kv namespace list` shows it)"
            )),
        }
    }

    /// What a dry run says of it.
    #[must_use]
    pub fn described(&self) -> String {
        match self {
            Self::Local(_) => format!("{BINDING} of this stack"),
            Self::Remote(namespace) => format!("KV namespace {namespace}"),
            Self::Described(site) => format!("KV namespace {}", site.control_kv()),
            Self::Unknown => format!("{BINDING} (name it with --env or --kv-namespace)"),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// Why it was not written, as far as wrangler says.
    pub fn write(&self, over: &FlagOverride, tools: &Tools) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("the override could not be written: {error}");
        let text = serde_json::to_string(over).map_err(|error| failed(&error))?;
        // By a file of its own: arguments are readable by every process, and what is in a reason is nobody else's.
        let mut file = tempfile::NamedTempFile::new().map_err(|error| failed(&error))?;
        file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
        let found;
        let place = match self {
            Self::Described(site) => {
                found = Self::Remote(self.look_up(site, tools).map_err(|error| failed(&error))?);
                &found
            }
            known => known,
        };
        let arguments = place.arguments(&file.path().to_string_lossy())?;
        self.run(&arguments, tools).map(drop).map_err(|error| failed(&error))
    }

    /// The id of a deployment's namespace.
    fn look_up(&self, site: &Site, tools: &Tools) -> Result<String, String> {
        let listed = self.run(&["kv", "namespace", "list"].map(OsString::from), tools)?;
        // Whatever stands around the list.
        let list = listed
            .find('[')
            .and_then(|begin| listed.get(begin..=listed.rfind(']')?));
        let list: Vec<Namespace> = serde_json::from_str(list.unwrap_or_default())
            .map_err(|_| "`wrangler kv namespace list` answered without a list".to_owned())?;
        let title = site.control_kv();
        let found = list.into_iter().find(|namespace| namespace.title == title);
        found
            .map(|namespace| namespace.id)
            .ok_or_else(|| format!("the account has no KV namespace {title}"))
    }

    /// Runs wrangler and gives what it wrote to standard output.
    fn run(&self, arguments: &[OsString], tools: &Tools) -> Result<String, String> {
        let (Some(node), Some(wrangler)) = (&tools.node, &tools.wrangler) else {
            let scripts = "run this by scripts/rollback-architecture.mjs, or set MOLT_NODE and MOLT_WRANGLER";
            return Err(format!("wrangler was not found: {scripts}"));
        };
        let mut command = Command::new(node);
        command
            .arg("--no-warnings")
            .arg(wrangler)
            .args(arguments)
            .envs([
                ("CI", "1"),
                ("NO_COLOR", "1"),
                ("WRANGLER_SEND_METRICS", "false"),
                ("WRANGLER_WRITE_LOGS", "false"),
            ])
            // wrangler has no business with the operator's credential for our API.
            .env_remove("MOLT_ADMIN_SECRET")
            .env_remove("MOLT_PROBE_TOKEN")
            .stdin(Stdio::null());
        match self {
            Self::Local(state) => {
                // A person's own settings and log-in play no part.
                command
                    .env("HOME", state.join("home"))
                    .env_remove("CLOUDFLARE_API_TOKEN");
                command.env("XDG_CONFIG_HOME", state.join("home/.config"));
            }
            Self::Described(site) => {
                command.envs(site.account_id.iter().map(|id| ("CLOUDFLARE_ACCOUNT_ID", id)));
            }
            Self::Remote(_) | Self::Unknown => {}
        }
        let output = command.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = [output.stderr, output.stdout].concat();
        let said: String = String::from_utf8_lossy(&said).chars().take(600).collect();
        Err(format!("wrangler ended with {}: {}", output.status, said.trim()))
    }
}

/// An entry of `wrangler kv namespace list`.
#[derive(Deserialize)]
struct Namespace {
    id: String,
    title: String,
}

#[cfg(test)]
mod tests {
    use super::{FlagOverride, KvPlace, Tools};
    use molt_common::flag::Flag;
    use molt_common::time::Millis;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

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

    fn over() -> FlagOverride {
        FlagOverride {
            epoch: 7,
            values: [(Flag::NewAdminApi, false)].into(),
            discard_disk: true,
            at: Millis(7),
            author: "ada".into(),
            reason: "a reason".into(),
        }
    }

    /// Tools with a program in place of Node that writes down its arguments and the file that it is given, and lists two namespaces.
    fn tools(folder: &Path, end: &str) -> Tools {
        let program = folder.join("node");
        let script = format!(
            r#"#!/bin/sh
echo "$*" >>"{0}/calls"
echo "$CLOUDFLARE_ACCOUNT_ID" >"{0}/account"
[ "$3 $4" = 'kv key' ] && cat "$8" >"{0}/written"
echo 'a line before'
echo '[{{"id": "aa", "title": "other"}}, {{"id": "bb", "title": "moltworker-control-kv"}}]'
{end}
"#,
            folder.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        Tools {
            node: Some(program),
            wrangler: Some("cli.js".into()),
            ..Tools::default()
        }
    }

    fn described(kv: &str) -> KvPlace {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.jsonc");
        fs::write(
            &file,
            format!("{{public_host: 'h', account_id: 'acc', resources: {{kv: {kv}}}}}"),
        )
        .unwrap();
        KvPlace::Described(Box::new(crate::migrate::site::Site::read(&file).unwrap()))
    }

    #[test]
    fn a_deployments_namespace_is_found_by_its_title_and_nothing_stands_in_arguments() {
        let folder = tempfile::tempdir().unwrap();
        described("{}").write(&over(), &tools(folder.path(), "exit 0")).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(serde_json::from_str::<FlagOverride>(&read("written")).unwrap(), over());
        assert_eq!(read("account").trim(), "acc");
        let calls = read("calls");
        assert!(
            calls.contains("--namespace-id bb --remote") && !calls.contains("a reason"),
            "{calls}"
        );
    }

    #[test]
    fn what_goes_wrong_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let refused = described("{CONTROL_KV: 'none'}").write(&over(), &tools(folder.path(), "exit 0"));
        assert!(refused.unwrap_err().contains("no KV namespace none"));
        let refused =
            KvPlace::Remote("aa".into()).write(&over(), &tools(folder.path(), "echo 'no rights' >&2; exit 9"));
        assert!(refused.unwrap_err().contains("no rights"));
        let refused = KvPlace::Remote("aa".into()).write(&over(), &Tools::default());
        assert!(refused.unwrap_err().contains("MOLT_WRANGLER"));
    }
}
