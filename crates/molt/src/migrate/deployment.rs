//! Which deployment is meant, and how it is reached.

use super::args::Which;
use super::kv_override::KvPlace;
use super::outcome::Ending;
use super::site::Site;
use super::state_file;
use super::wire::{Credential, Wire};
use crate::DEFAULT_URL;
use molt_common::admin_key::AdminKey;
use molt_common::flag::{Flag, Subject};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use ureq::http::HeaderValue;

/// A router must have answered what it says of itself within this.
const ABOUT: Duration = Duration::from_secs(5);

/// A deployment, or the stack on this machine.
pub struct Deployment {
    /// Address of the router.
    pub url: String,
    /// Addresses of all routers that can be told apart: several on a stack with `--routers`.
    pub urls: Vec<String>,
    /// The admin credential.
    pub admin: Credential,
    /// Whom flags count for it.
    pub admin_subject: Subject,
    /// Tokens of the demo users of a stack.
    pub demo_users: Vec<String>,
    /// Where the override is written.
    pub kv: KvPlace,
    /// Where progress is kept.
    pub state_file: PathBuf,
    /// Whether it is the stack on this machine.
    pub local: bool,
    /// Its file.
    pub site: Option<Site>,
}

/// What is read of a ready file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    url: String,
    urls: Vec<String>,
    admin_secret: String,
    users: Vec<ReadyUser>,
    state_dir: PathBuf,
}

#[derive(Deserialize)]
struct ReadyUser {
    token: String,
}

/// What a router says of itself at `/api/status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Whether something is bound as `LEGACY`.
    pub legacy: bool,
    /// The answer.
    pub json: Value,
}

impl Deployment {
    /// Finds the deployment at `url`, or the stack on this machine.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn find(which: &Which, url: &str) -> Result<Self, Ending> {
        let ready = if which.local { Some(ready(which)?) } else { None };
        let site = match &which.env {
            Some(file) if !which.local => Some(Site::read(file).map_err(Ending::Refused)?),
            _ => None,
        };
        let of_site = site.as_ref().filter(|_| url == DEFAULT_URL).map(Site::url);
        let url = of_site.as_deref().unwrap_or(url);
        let url = ready
            .as_ref()
            .map_or(url, |ready| &ready.url)
            .trim_end_matches('/')
            .to_owned();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return refuse("--url must begin with http:// or https://");
        }
        let secret = match &ready {
            Some(ready) => ready.admin_secret.clone(),
            None => std::env::var("MOLT_ADMIN_SECRET").unwrap_or_default(),
        };
        let secret = secret.trim();
        let mut header = HeaderValue::from_str(secret).map_err(|_| refusal("MOLT_ADMIN_SECRET fits in no header"))?;
        if secret.is_empty() {
            return refuse("set MOLT_ADMIN_SECRET to the admin secret or to an admin key");
        }
        header.set_sensitive(true);
        let subject = AdminKey::parse(secret).map_or_else(|_| "bootstrap".to_owned(), |key| key.id().to_string());
        let default_state = match &ready {
            Some(ready) => Some(ready.state_dir.join("migration.json")),
            None => state_file::default_path(&url, |name| std::env::var_os(name).map(PathBuf::from)),
        };
        let state_file = which.state_file.clone().or(default_state);
        let kv = match &ready {
            Some(ready) => KvPlace::Local(ready.state_dir.clone()),
            None => match (&which.kv_namespace, &site) {
                (Some(id), _) => KvPlace::Remote(id.clone()),
                (None, Some(site)) => KvPlace::Described(Box::new(site.clone())),
                (None, None) => KvPlace::Unknown,
            },
        };
        Ok(Self {
            urls: ready
                .as_ref()
                .map_or_else(|| vec![url.clone()], |ready| ready.urls.clone()),
            url,
            admin: Credential::Admin(header),
            admin_subject: Subject::parse(&subject).map_err(refusal)?,
            demo_users: ready.map_or_else(Vec::new, |ready| {
                ready.users.into_iter().map(|user| user.token).collect()
            }),
            kv,
            state_file: state_file
                .ok_or_else(|| refusal("neither XDG_STATE_HOME nor HOME is set; name a --state-file"))?,
            local: which.local,
            site,
        })
    }

    /// What the router says of itself.
    ///
    /// # Errors
    /// Why there was no such answer.
    pub fn about(&self) -> Result<About, String> {
        let answer = Wire::new(ABOUT).get(&format!("{}/api/status", self.url), &Credential::Nobody)?;
        let json = answer.json();
        match (answer.status, json.get("legacy").and_then(Value::as_bool)) {
            (200, Some(legacy)) => Ok(About { legacy, json }),
            _ => Err(answer.brief()),
        }
    }

    /// The same before anything is begun.
    ///
    /// # Errors
    /// When the router does not say: nothing is begun then.
    pub fn about_first(&self) -> Result<About, Ending> {
        self.about()
            .map_err(|said| Ending::Refused(format!("the router does not answer: {said}")))
    }
}

impl About {
    /// Whether a flag is on for everybody, as far as the router says.
    #[must_use]
    pub fn is_on(&self, flag: Flag) -> bool {
        let field = match flag {
            Flag::NewAdminApi => "useNewAdminApi",
            Flag::NewContainerGateway => "useNewContainerGateway",
        };
        self.json["featureFlags"][field] == true
    }

    /// Flags that an override in force decides, and how.
    #[must_use]
    pub fn overridden(&self) -> BTreeMap<Flag, bool> {
        Flag::ALL
            .into_iter()
            .filter(|flag| self.json["flags"][flag.name()]["source"] == "override")
            .map(|flag| (flag, self.is_on(flag)))
            .collect()
    }
}

fn ready(which: &Which) -> Result<Ready, Ending> {
    // Of the clone whose script runs this, else of the one that the operator stands in.
    let of_clone = || which.tools.root.clone().unwrap_or_default().join(".dev/ready.json");
    let path = which.ready_file.clone().unwrap_or_else(of_clone);
    let text = std::fs::read(&path)
        .map_err(|error| refusal(&format!("{}: {error}; is scripts/dev running?", path.display())))?;
    // What it holds is not repeated: there are secrets in it.
    serde_json::from_slice(&text).map_err(|_| refusal(&format!("{} is no ready file of scripts/dev", path.display())))
}

fn refusal(why: &str) -> Ending {
    Ending::Refused(why.to_owned())
}

fn refuse<T>(why: &str) -> Result<T, Ending> {
    Err(refusal(why))
}
