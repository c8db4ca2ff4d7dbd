//! Runs the program behind `scripts/deploy`.

use e2e_tests::launch::root;
use e2e_tests::stack::NO_BUILD;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use tempfile::TempDir;

static BUILT: Once = Once::new();

/// An operator with an environment file, a home and perhaps an account.
pub struct Operator {
    /// Everything that is his.
    pub folder: TempDir,
    /// What the environment file says.
    pub environment: Value,
    /// Variables of the environment of a run.
    pub variables: Vec<(String, String)>,
    wrangler: Option<PathBuf>,
}

/// What a run did.
#[derive(Debug)]
pub struct Outcome {
    /// Whether it exited with 0.
    pub success: bool,
    /// Both outputs.
    pub text: String,
}

impl Operator {
    /// One without credentials.
    pub fn new(more: Value) -> Self {
        let mut environment = json!({
            "name": "test", "prefix": "acme", "public_host": "bot.example.com", "steps": [50], "watch_seconds": 0,
            "vars": {"router": {"JWT_ISSUER": "https://id.example.com"}},
        });
        merge(&mut environment, more);
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment,
            variables: Vec::new(),
            wrangler: None,
        }
    }

    /// One with an account, kept by the stand-in.
    pub fn with_account(more: Value) -> Self {
        let mut operator = Self::new(more);
        operator.wrangler = Some(root().join("tests/fixtures/wrangler/stand-in.mjs"));
        let folder = operator.folder.path().to_string_lossy().into_owned();
        for (name, value) in [
            ("STAND_IN", folder.as_str()),
            ("CLOUDFLARE_API_TOKEN", "token-of-the-operator"),
            ("SUPABASE_JWT_SECRET", "secret-of-the-provider"),
            // A Docker that says yes.
            ("WRANGLER_DOCKER_BIN", "true"),
        ] {
            operator.set(name, value);
        }
        operator
    }

    /// Sets a variable of the environment of all further runs.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(set, _)| set != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The file in which the deployment's secrets are kept.
    pub fn secrets_file(&self) -> PathBuf {
        self.folder.path().join("state/moltworker/test.secrets.json")
    }

    /// Runs it with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        build();
        let file = self.folder.path().join("test.jsonc");
        fs::write(&file, format!("// What the operator wrote.\n{:#}\n", self.environment)).unwrap();
        // The script itself would set up and build first. The paths are its own.
        let shell = r#". "$0/scripts/lib/env.sh"; [[ -z ${STAND_IN_WRANGLER-} ]] || MOLT_WRANGLER=$STAND_IN_WRANGLER; exec "$MOLT_BIN/deploy" "$@""#;
        let mut command = Command::new("bash");
        command
            .args(["-euc", shell])
            .arg(root())
            .args(arguments)
            .arg("--env")
            .arg(&file);
        for name in ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID", "MOLT_ADMIN_SECRET"] {
            command.env_remove(name);
        }
        command
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("TMPDIR", scratch(self.folder.path()));
        if let Some(wrangler) = &self.wrangler {
            command.env("STAND_IN_WRANGLER", wrangler);
        }
        command.envs(self.variables.iter().cloned()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat();
        let left: Vec<PathBuf> = fs::read_dir(scratch(self.folder.path()))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(left.is_empty(), "temporary files are left: {left:?}");
        Outcome {
            success: output.status.success(),
            text,
        }
    }

    /// Runs it and takes for granted that it works.
    pub fn succeeds(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert!(outcome.success, "{}", outcome.text);
        outcome.text
    }

    /// Runs it and takes for granted that it does not.
    pub fn fails(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert!(!outcome.success, "{}", outcome.text);
        outcome.text
    }
}

fn scratch(folder: &Path) -> PathBuf {
    let scratch = folder.join("tmp");
    fs::create_dir_all(&scratch).unwrap();
    scratch
}

fn merge(base: &mut Value, more: Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (name, value) in more {
                merge(base.entry(name).or_insert(Value::Null), value);
            }
        }
        (base, more) => *base = more,
    }
}

fn build() {
    BUILT.call_once(|| {
        if std::env::var_os(NO_BUILD).is_none() {
            let status = Command::new(root().join("scripts/build")).status().unwrap();
            assert!(status.success(), "scripts/build failed");
        }
    });
}
