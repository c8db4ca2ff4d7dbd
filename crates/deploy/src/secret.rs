//! Which worker needs which secret, and what ours look like. Pure but for the randomness.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use molt_common::user_secret::SecretUse;
use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::worker::Worker;

/// Bytes of randomness in each secret.
const SECRET_BYTES: usize = 32;

/// Where a secret comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Ours: a text of 256 random bits.
    Text,
    /// Ours: keys by id with a current one. What an old one has signed or sealed ends by itself.
    KeyRing,
    /// The same for what lasts: none of its keys ever goes by itself, for what is wrapped under it would be lost.
    RootKeyRing,
    /// Somebody else's; an operator gives it.
    Foreign,
}

/// A secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Name of the binding.
    pub name: &'static str,
    /// Where it comes from.
    pub origin: Origin,
    /// Who has it; the same value for all of them.
    pub workers: &'static [Worker],
    /// Whether a variable of this process of the same name gives it. Not where many people have such a variable for themselves: nobody's own key
    /// becomes everybody's because it was there.
    pub from_environment: bool,
    need: Need,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Always,
    /// With a variable of the router.
    WithVar(&'static str),
    /// Without any of them.
    WithoutVars(&'static [&'static str]),
    WithLegacy,
    /// Only when it is given.
    Never,
}

use Worker::{Admin, ContainerGateway, Router};

/// All of them. The comments at the end of `wrangler/*.jsonc` name the same.
pub const ALL: &[Secret] = &[
    secret(
        "MOLT_IDENTITY_KEYS",
        Origin::KeyRing,
        &[ContainerGateway, Admin, Router],
        Need::Always,
    ),
    secret("MOLT_SESSION_KEYS", Origin::KeyRing, &[Router], Need::Always),
    secret(
        "MOLT_REPOSITORY_KEYS",
        Origin::RootKeyRing,
        &[ContainerGateway],
        Need::Always,
    ),
    secret(
        "MOLT_SECRET_KEYS",
        Origin::RootKeyRing,
        &[ContainerGateway],
        Need::Always,
    ),
    secret("MOLTBOT_GATEWAY_MASTER_TOKEN", Origin::Text, &[Router], Need::Always),
    secret(
        "LEGACY_FENCE_TOKEN",
        Origin::Text,
        &[ContainerGateway],
        Need::WithLegacy,
    ),
    // With published keys, or Cloudflare Access in front, nobody need sign with a shared one.
    secret(
        "SUPABASE_JWT_SECRET",
        Origin::Foreign,
        &[Router],
        Need::WithoutVars(&["JWKS_URL", "ACCESS_TEAM"]),
    ),
    secret("SUPABASE_JWT_SECRET_PREVIOUS", Origin::Foreign, &[Router], Need::Never),
    secret("AUTH_API_KEY", Origin::Foreign, &[Router], Need::WithVar("AUTH_URL")),
    provider_key("ANTHROPIC_API_KEY"),
    provider_key("OPENAI_API_KEY"),
    provider_key("AI_GATEWAY_API_KEY"),
];

/// The platform's own key of a provider: everybody's calls carry it who has none of his own.
const fn provider_key(name: &'static str) -> Secret {
    Secret {
        from_environment: false,
        ..secret(name, Origin::Foreign, &[ContainerGateway], Need::Never)
    }
}

const fn secret(name: &'static str, origin: Origin, workers: &'static [Worker], need: Need) -> Secret {
    Secret {
        name,
        origin,
        workers,
        from_environment: true,
        need,
    }
}

/// The secret called `name`.
pub fn find(name: &str) -> Option<&'static Secret> {
    ALL.iter().find(|secret| secret.name == name)
}

impl Secret {
    /// Whether a deployment cannot do without it.
    pub fn is_needed(&self, environment: &Environment) -> bool {
        match self.need {
            Need::Always => true,
            Need::WithVar(name) => environment.sets(name),
            Need::WithoutVars(names) => !names.iter().any(|name| environment.sets(name)),
            Need::WithLegacy => environment.legacy.is_some(),
            Need::Never => false,
        }
    }

    /// A new value of one of ours; `None` for somebody else's.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(&self) -> Result<Option<String>, getrandom::Error> {
        match self.origin {
            Origin::Text => random_text().map(Some),
            Origin::KeyRing | Origin::RootKeyRing => KeyRing::random().map(|ring| Some(ring.text())),
            Origin::Foreign => Ok(None),
        }
    }

    /// Whether the workers can read the value. The reason holds nothing of it.
    ///
    /// # Errors
    /// Why they could not.
    pub fn check(&self, value: &str) -> Result<(), String> {
        if value.is_empty() || value.contains(['\n', '\r', '\0']) {
            return Err("is empty or holds a line break".to_owned());
        }
        match self.name {
            "MOLT_IDENTITY_KEYS" => molt_common::identity::IdentityKeys::parse(value)
                .map(|_| ())
                .map_err(|error| error.to_string()),
            "MOLT_SESSION_KEYS" => molt_common::seal::SessionKeys::parse(value)
                .map(|_| ())
                .map_err(|error| error.to_string()),
            "MOLT_REPOSITORY_KEYS" => molt_common::repository_keys::RepositoryKeys::parse(value)
                .map(|_| ())
                .map_err(|error| error.to_string()),
            "MOLT_SECRET_KEYS" => molt_common::root_keys::RootKeys::parse(value)
                .map(|_| ())
                .map_err(|error| error.to_string()),
            "ANTHROPIC_API_KEY" | "OPENAI_API_KEY" | "AI_GATEWAY_API_KEY" => {
                molt_common::user_secret_value::check(value, SecretUse::Provider).map_err(|problem| problem.detail)
            }
            "MOLTBOT_GATEWAY_MASTER_TOKEN" => {
                molt_common::admin_secret::check(Some(value), Some(value)).map_err(|problem| problem.detail)
            }
            _ => Ok(()),
        }
    }
}

/// Keys by id, as the workers read them: `{"current":"k1","keys":{"k1":"<base64url of 32 bytes>"}}`.
#[derive(Serialize, Deserialize)]
pub struct KeyRing {
    current: String,
    keys: BTreeMap<String, String>,
}

impl KeyRing {
    fn random() -> Result<Self, getrandom::Error> {
        Ok(Self {
            current: "k1".to_owned(),
            keys: BTreeMap::from([("k1".to_owned(), random_text()?)]),
        })
    }

    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As the workers read it.
    pub fn text(&self) -> String {
        serde_json::json!({"current": self.current, "keys": self.keys}).to_string()
    }

    /// The two steps of a rotation: everybody knows a new key, then it becomes the current one. Of the old keys only the current one stays,
    /// unless `keeps_all`; what the others have signed or sealed is worth nothing any more, so two rotations take a key out of the world.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn rotated(&self, keeps_all: bool) -> Result<[Self; 2], getrandom::Error> {
        let numbers = self
            .keys
            .keys()
            .filter_map(|id| id.strip_prefix('k')?.parse::<u64>().ok());
        let new = format!("k{}", numbers.max().unwrap_or(0).saturating_add(1));
        let mut keys: BTreeMap<String, String> = self
            .keys
            .iter()
            .filter(|(id, _)| keeps_all || **id == self.current)
            .map(|(id, key)| (id.clone(), key.clone()))
            .collect();
        keys.insert(new.clone(), random_text()?);
        let announced = Self {
            current: self.current.clone(),
            keys: keys.clone(),
        };
        Ok([announced, Self { current: new, keys }])
    }
}

fn random_text() -> Result<String, getrandom::Error> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn environment(more: &str) -> Environment {
        Environment::parse(&format!(r#"{{"name": "a", "public_host": "bot.example.com"{more}}}"#)).unwrap()
    }

    #[test]
    fn the_workers_accept_what_is_made() {
        for secret in ALL {
            match secret.generate().unwrap() {
                Some(value) => {
                    assert_ne!(secret.origin, Origin::Foreign);
                    secret.check(&value).unwrap();
                    assert_ne!(secret.generate().unwrap(), Some(value));
                }
                None => assert_eq!(secret.origin, Origin::Foreign),
            }
        }
    }

    #[test]
    fn what_the_workers_would_refuse_is_refused_without_being_shown() {
        for (name, value) in [
            ("MOLT_IDENTITY_KEYS", "hunter2"),
            ("MOLT_SESSION_KEYS", r#"{"current":"hunter2","keys":{}}"#),
            ("MOLT_REPOSITORY_KEYS", r#"{"current":"hunter2","keys":{}}"#),
            ("MOLT_SECRET_KEYS", r#"{"current":"hunter2","keys":{}}"#),
            ("MOLTBOT_GATEWAY_MASTER_TOKEN", "hunter2"),
            ("SUPABASE_JWT_SECRET", "hunter2\n"),
            ("OPENAI_API_KEY", "hunter2 "),
        ] {
            let why = find(name).unwrap().check(value).unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    fn variables(worker: Worker) -> Vec<String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../wrangler/{worker}.jsonc"));
        let config: serde_json::Value = json5::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        config["vars"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn every_secret_that_a_configuration_names_is_known() {
        for worker in Worker::ALL {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../wrangler/{worker}.jsonc"));
            let text = std::fs::read_to_string(file).unwrap();
            let comment: String = text
                .lines()
                .skip_while(|line| !line.trim().starts_with("// Secret"))
                .collect();
            let words = comment
                .split(|letter: char| !(letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'));
            // A variable on which one depends is named as well.
            let vars = Worker::ALL.map(variables).concat();
            let named: BTreeSet<&str> = words
                .filter(|word| word.len() > 6 && word.contains('_') && !vars.contains(&(*word).to_owned()))
                .collect();
            let known: BTreeSet<&str> = ALL
                .iter()
                .filter(|secret| secret.workers.contains(&worker))
                .map(|secret| secret.name)
                .collect();
            assert!(named.is_subset(&known), "{worker}: {named:?} / {known:?}");
            assert!(named.contains("MOLT_IDENTITY_KEYS"), "{worker}: the comment was found");
        }
    }

    #[test]
    fn what_is_needed_follows_the_environment() {
        let needed = |more: &str, name| find(name).unwrap().is_needed(&environment(more));
        assert!(needed("", "SUPABASE_JWT_SECRET"));
        assert!(!needed(
            r#", "vars": {"router": {"JWKS_URL": "https://x.example"}}"#,
            "SUPABASE_JWT_SECRET"
        ));
        assert!(!needed("", "AUTH_API_KEY"));
        assert!(needed(
            r#", "vars": {"router": {"AUTH_URL": "https://x.example"}}"#,
            "AUTH_API_KEY"
        ));
        assert!(!needed("", "LEGACY_FENCE_TOKEN"));
        assert!(needed(r#", "legacy": {"worker": "old"}"#, "LEGACY_FENCE_TOKEN"));
    }

    #[test]
    fn a_rotation_announces_a_key_before_it_is_used() {
        let first = KeyRing::random().unwrap();
        let [announced, switched] = first.rotated(false).unwrap();
        assert_eq!(announced.current, "k1");
        assert_eq!(switched.current, "k2");
        assert_eq!(announced.keys, switched.keys);
        assert_eq!(announced.keys["k1"], first.keys["k1"]);
        let [_, again] = switched.rotated(false).unwrap();
        assert_eq!(
            again.keys.keys().collect::<Vec<_>>(),
            ["k2", "k3"],
            "the first is out of the world"
        );
        molt_common::identity::IdentityKeys::parse(&again.text()).unwrap();
    }

    #[test]
    fn a_root_key_that_something_may_be_wrapped_under_stays() {
        let first = KeyRing::random().unwrap();
        let [_, second] = first.rotated(true).unwrap();
        let [_, third] = second.rotated(true).unwrap();
        assert_eq!(third.current, "k3");
        assert_eq!(third.keys.keys().collect::<Vec<_>>(), ["k1", "k2", "k3"]);
        assert_eq!(third.keys["k1"], first.keys["k1"]);
        for name in ["MOLT_REPOSITORY_KEYS", "MOLT_SECRET_KEYS"] {
            assert_eq!(find(name).unwrap().origin, Origin::RootKeyRing);
        }
    }
}
