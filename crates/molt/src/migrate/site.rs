//! The file that describes a deployment for `scripts/deploy` (docs/deploying.md), as far as a migration needs it.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Binding of the namespace that routers read the override from.
pub const BINDING: &str = "CONTROL_KV";

/// A deployment. `scripts/deploy` judges the rest of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Site {
    #[serde(default = "moltworker")]
    prefix: String,
    public_host: String,
    /// Cloudflare account, where it is not left to the environment.
    #[serde(default)]
    pub account_id: Option<String>,
    #[serde(default)]
    legacy: Option<serde_json::Value>,
    #[serde(default)]
    resources: Resources,
    #[serde(default)]
    verify: Verify,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Resources {
    #[serde(default)]
    kv: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Verify {
    #[serde(default)]
    url: Option<String>,
}

fn moltworker() -> String {
    "moltworker".to_owned()
}

impl Site {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        json5::from_str(text).map_err(|error| error.to_string())
    }

    /// Address of the router.
    #[must_use]
    pub fn url(&self) -> String {
        self.verify
            .url
            .clone()
            .unwrap_or_else(|| format!("https://{}", self.public_host))
    }

    /// Title of the KV namespace [`BINDING`].
    #[must_use]
    pub fn control_kv(&self) -> String {
        let usual = || format!("{}-{}", self.prefix, BINDING.to_ascii_lowercase().replace('_', "-"));
        self.resources.kv.get(BINDING).cloned().unwrap_or_else(usual)
    }

    /// Whether the deployment is to have what ran before.
    #[must_use]
    pub const fn has_legacy(&self) -> bool {
        self.legacy.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Site;

    #[test]
    fn names_are_those_that_the_deployment_makes() {
        let site = Site::parse("{name: 'p', public_host: 'bot.example', /* more */ steps: [10],}").unwrap();
        assert_eq!(
            (site.url().as_str(), site.control_kv().as_str()),
            ("https://bot.example", "moltworker-control-kv")
        );
        assert!(!site.has_legacy());
        let site = "{public_host: 'bot.example', prefix: 'mine', verify: {url: 'https://other.example'}, legacy: {worker: 'old'}}";
        let site = Site::parse(site).unwrap();
        assert_eq!(
            (site.url().as_str(), site.control_kv().as_str()),
            ("https://other.example", "mine-control-kv")
        );
        assert!(site.has_legacy());
        let named = Site::parse("{public_host: 'h', resources: {kv: {CONTROL_KV: 'flags'}}}").unwrap();
        assert_eq!(named.control_kv(), "flags");
        assert!(Site::parse("{}").unwrap_err().contains("public_host"));
    }
}
