//! SQL on the stack's database, for what an operator does by means that other tests are about.

use crate::launch::root;
use crate::stack::Stack;
use serde_json::Value;
use tokio::process::Command;

impl Stack {
    /// Runs SQL on the local D1 database of the running stack; the rows of the last statement.
    ///
    /// # Panics
    /// When it fails.
    pub async fn sql(&self, sql: &str) -> Vec<Value> {
        let text = self
            .wrangler(
                "admin",
                &[
                    "d1",
                    "execute",
                    "moltworker-platform",
                    "--local",
                    "--json",
                    "--yes",
                    &format!("--command={sql}"),
                ],
            )
            .await;
        let begin = text.find('[').unwrap_or_else(|| panic!("no JSON: {text}"));
        let results: Value = serde_json::from_str(&text[begin..]).unwrap_or_else(|error| panic!("{error}: {text}"));
        let last = results.as_array().and_then(|results| results.last()).cloned();
        last.and_then(|last| last["results"].as_array().cloned())
            .unwrap_or_default()
    }

    /// Runs wrangler with the configuration and the stored state of a worker of the stack; what it wrote.
    ///
    /// # Panics
    /// When it fails.
    pub(crate) async fn wrangler(&self, worker: &str, arguments: &[&str]) -> String {
        let done = self.try_wrangler(worker, arguments).await;
        done.unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same; what it said when it failed.
    pub(crate) async fn try_wrangler(&self, worker: &str, arguments: &[&str]) -> Result<String, String> {
        let state = &self.ready.state_dir;
        let script = r#". scripts/lib/env.sh; state=$1 configuration=$2; shift 2
            exec "$MOLT_NODE" --no-warnings "$MOLT_WRANGLER" "$@" --persist-to="$state" -c "$configuration""#;
        let output = Command::new("bash")
            .args(["-c", script, "wrangler"])
            .arg(state.join("workers"))
            .arg(state.join(format!("wrangler/{worker}/wrangler.json")))
            .args(arguments)
            .current_dir(root())
            .env("HOME", state.join("home"))
            .env("WRANGLER_SEND_METRICS", "false")
            .env("CI", "1")
            .env("MOLT_CACHE", cache())
            .output()
            .await
            .expect("bash");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(format!("{arguments:?}\n{text}\n{errors}"))
        }
    }
}

/// Where the tools are, found as the scripts find it, before `HOME` is another.
fn cache() -> std::ffi::OsString {
    let own = std::env::var_os("MOLT_CACHE");
    own.unwrap_or_else(|| {
        let below = std::env::var_os("XDG_CACHE_HOME").map(std::path::PathBuf::from);
        let home = || std::path::PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
        below.unwrap_or_else(home).join("moltworker").into_os_string()
    })
}
