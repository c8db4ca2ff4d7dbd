//! The configurations that `wrangler` runs with, made from those in `wrangler/`: for `wrangler dev` by crates/dev-stack, for a deployment
//! by crates/deploy. Pure.
//!
//! They lie in other folders, so relative paths become absolute; the build step goes, and variables are overridden.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};

/// Environment in which `wrangler` asks nobody anything, tells nobody what it was used for and leaves no log of its own.
pub const QUIET: [(&str, &str); 7] = [
    ("CI", "1"),
    ("NO_COLOR", "1"),
    ("FORCE_COLOR", "0"),
    ("WRANGLER_SEND_METRICS", "false"),
    ("WRANGLER_SEND_ERROR_REPORTS", "false"),
    ("WRANGLER_HIDE_BANNER", "true"),
    // All it says is with whoever runs it already.
    ("WRANGLER_WRITE_LOGS", "false"),
];

/// Why a configuration cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON with comments.
    #[error("not JSON with comments: {0}")]
    Parse(String),
    /// A field is missing or of the wrong kind.
    #[error("`{0}` is missing or not {1}")]
    Field(&'static str, &'static str),
}

/// A worker's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerConfig {
    fields: Map<String, Value>,
    folder: PathBuf,
}

impl WorkerConfig {
    /// Reads the text of a `wrangler.jsonc` that lies in `folder`.
    ///
    /// # Errors
    /// When it is not JSON with comments, or lacks `name` or `main`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let fields: Map<String, Value> =
            json5::from_str(text).map_err(|error| ConfigError::Parse(error.to_string()))?;
        let config = Self {
            fields,
            folder: folder.to_owned(),
        };
        config.text("name").ok_or(ConfigError::Field("name", "a text"))?;
        config.text("main").ok_or(ConfigError::Field("main", "a text"))?;
        Ok(config)
    }

    /// Its name, by which others are bound to it.
    pub fn name(&self) -> &str {
        self.text("name").unwrap_or_default()
    }

    /// Binds it to another worker as a service.
    pub fn bind(&mut self, binding: &str, service: &str) {
        let services = self
            .fields
            .entry("services")
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Some(services) = services.as_array_mut() {
            services.push(json!({"binding": binding, "service": service}));
        }
    }

    /// Value of a variable, when it is a text.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.fields.get("vars")?.get(name)?.as_str()
    }

    /// Folder of the migrations of the first D1 database, absolute.
    pub fn migrations_folder(&self) -> Option<PathBuf> {
        let database = self.fields.get("d1_databases")?.get(0)?;
        let folder = database
            .get("migrations_dir")
            .and_then(Value::as_str)
            .unwrap_or("migrations");
        Some(absolute(&self.folder, folder))
    }

    /// Binding of the first D1 database.
    pub fn database_binding(&self) -> Option<&str> {
        self.fields.get("d1_databases")?.get(0)?.get("binding")?.as_str()
    }

    /// The configuration to run, with `vars` over its own variables.
    pub fn effective(&self, vars: &[(String, Value)]) -> Value {
        let mut fields = self.fields.clone();
        // The workers are built already; there are no named environments, and who deploys names the routes.
        for unwanted in ["build", "$schema", "env", "routes", "route"] {
            fields.remove(unwanted);
        }
        for field in ["main", "base_dir", "tsconfig"] {
            self.make_absolute(fields.get_mut(field));
        }
        self.make_absolute(fields.get_mut("assets").and_then(|assets| assets.get_mut("directory")));
        for database in list(&mut fields, "d1_databases") {
            self.make_absolute(database.get_mut("migrations_dir"));
        }
        for container in list(&mut fields, "containers") {
            self.make_image_absolute(container);
            for image in container
                .get_mut("images")
                .and_then(Value::as_object_mut)
                .into_iter()
                .flat_map(Map::values_mut)
            {
                self.make_image_absolute(image);
            }
        }
        let own = fields.entry("vars").or_insert_with(|| Value::Object(Map::new()));
        if let Some(own) = own.as_object_mut() {
            own.extend(vars.iter().cloned());
        }
        Value::Object(fields)
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// An image is either a Dockerfile or the name of one in a registry; only a path that begins like one or ends in `Dockerfile`
    /// is taken for the former, as wrangler does by looking at the disk.
    fn make_image_absolute(&self, image: &mut Value) {
        self.make_absolute(image.get_mut("dockerfile"));
        self.make_absolute(image.get_mut("image_build_context"));
        self.make_absolute(image.get_mut("build_context"));
        let reference = match image {
            Value::Object(fields) => fields.get_mut("image"),
            text => Some(text),
        };
        if let Some(reference) = reference
            && reference.as_str().is_some_and(is_dockerfile)
        {
            self.make_absolute(Some(reference));
        }
    }

    fn make_absolute(&self, value: Option<&mut Value>) {
        if let Some(value) = value
            && let Some(path) = value.as_str()
        {
            *value = Value::String(absolute(&self.folder, path).to_string_lossy().into_owned());
        }
    }
}

fn list<'a>(fields: &'a mut Map<String, Value>, name: &str) -> impl Iterator<Item = &'a mut Value> {
    fields.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

fn is_dockerfile(reference: &str) -> bool {
    reference.starts_with("./")
        || reference.starts_with("../")
        || reference.starts_with('/')
        || reference
            .rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with("Dockerfile"))
}

/// `path` seen from `folder`, with `.` and `..` taken out by text: the file need not exist yet.
fn absolute(folder: &Path, path: &str) -> PathBuf {
    let mut result = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

/// Text of a `.dev.vars` file. Single quotes keep everything literal, so a value must hold none, nor a line break.
///
/// # Errors
/// The name of a variable whose value cannot be written so.
pub fn dev_vars(secrets: &[(&str, String)]) -> Result<String, String> {
    let mut text = String::new();
    for (name, value) in secrets {
        if value.contains(['\'', '\n', '\r']) {
            return Err((*name).to_owned());
        }
        text.push_str(&format!("{name}='{value}'\n"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> WorkerConfig {
        WorkerConfig::parse(text, Path::new("/repo/wrangler")).unwrap()
    }

    #[test]
    fn paths_become_absolute_and_the_build_step_goes() {
        let config = parse(
            r#"{
                // The gateway.
                "$schema": "../x.json", "name": "gateway", "main": "../workers/container-gateway/build/index.js",
                "build": {"command": "false"}, "env": {"staging": {}}, "routes": ["example.com/*"],
                "d1_databases": [{"binding": "DB", "migrations_dir": "migrations"}],
                "containers": [
                    {"class_name": "A", "image": "../images/sandbox/Dockerfile", "image_build_context": ".."},
                    {"class_name": "B", "image": "registry.example.com/a/b:1"},
                    {"class_name": "C", "images": {"stable": {"dockerfile": "../images/sandbox/Dockerfile"}, "pinned": "docker.io/a@sha256:0"}},
                ],
            }"#,
        );
        assert_eq!(
            config.effective(&[]),
            json!({
                "name": "gateway", "main": "/repo/workers/container-gateway/build/index.js",
                "d1_databases": [{"binding": "DB", "migrations_dir": "/repo/wrangler/migrations"}],
                "containers": [
                    {"class_name": "A", "image": "/repo/images/sandbox/Dockerfile", "image_build_context": "/repo"},
                    {"class_name": "B", "image": "registry.example.com/a/b:1"},
                    {"class_name": "C", "images": {"stable": {"dockerfile": "/repo/images/sandbox/Dockerfile"}, "pinned": "docker.io/a@sha256:0"}},
                ],
                "vars": {},
            })
        );
        assert_eq!(
            config.migrations_folder(),
            Some(PathBuf::from("/repo/wrangler/migrations"))
        );
        assert_eq!(config.database_binding(), Some("DB"));
    }

    #[test]
    fn variables_are_overridden_and_the_rest_stay() {
        let config = parse(r#"{"name": "r", "main": "m.js", "vars": {"JWT_ISSUER": "dev", "LIMITS": "default"}}"#);
        let effective = config.effective(&[("LIMITS".into(), json!("test")), ("NEW".into(), json!("x"))]);
        assert_eq!(
            effective.get("vars"),
            Some(&json!({"JWT_ISSUER": "dev", "LIMITS": "test", "NEW": "x"}))
        );
        assert_eq!(config.var("JWT_ISSUER"), Some("dev"));
        assert_eq!(config.var("ABSENT"), None);
    }

    #[test]
    fn a_service_is_bound_beside_those_it_has() {
        let mut config = parse(r#"{"name": "r", "main": "m.js"}"#);
        config.bind("A", "worker-a");
        config.bind("B", "worker-b");
        let bound = json!([{"binding": "A", "service": "worker-a"}, {"binding": "B", "service": "worker-b"}]);
        assert_eq!(config.effective(&[]).get("services"), Some(&bound));
    }

    #[test]
    fn a_configuration_without_its_basics_is_refused() {
        let refuse = |text| WorkerConfig::parse(text, Path::new("/")).unwrap_err();
        assert!(matches!(refuse("{"), ConfigError::Parse(_)));
        assert_eq!(refuse(r#"{"name": "x"}"#), ConfigError::Field("main", "a text"));
        assert_eq!(refuse(r#"{"main": "x"}"#), ConfigError::Field("name", "a text"));
    }

    #[test]
    fn secrets_are_written_literally_or_not_at_all() {
        let text = dev_vars(&[("KEYS", r#"{"current":"k1","x":"$HOME"}"#.to_owned())]);
        assert_eq!(text.as_deref(), Ok("KEYS='{\"current\":\"k1\",\"x\":\"$HOME\"}'\n"));
        assert_eq!(dev_vars(&[("BAD", "it's".to_owned())]), Err("BAD".to_owned()));
    }
}
