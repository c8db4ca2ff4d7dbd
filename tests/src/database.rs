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
        let state = &self.ready.state_dir;
        let script = r#". scripts/lib/env.sh; exec "$MOLT_NODE" --no-warnings "$MOLT_WRANGLER" d1 execute moltworker-platform \
            --local --json --yes --persist-to="$1" -c "$2" --command="$3""#;
        let output = Command::new("bash")
            .args(["-c", script, "sql"])
            .arg(state.join("workers"))
            .arg(state.join("wrangler/admin/wrangler.json"))
            .arg(sql)
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
        assert!(output.status.success(), "{sql}\n{text}\n{errors}");
        let begin = text.find('[').unwrap_or_else(|| panic!("no JSON: {text}\n{errors}"));
        let results: Value = serde_json::from_str(&text[begin..]).unwrap_or_else(|error| panic!("{error}: {text}"));
        let last = results.as_array().and_then(|results| results.last()).cloned();
        last.and_then(|last| last["results"].as_array().cloned())
            .unwrap_or_default()
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
