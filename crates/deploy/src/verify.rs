//! Asks the deployment whether it works, as people and operators would: through the router, to the database and to a sandbox's object.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::http::{HeaderValue, Response};
use ureq::{Agent, Body};

use crate::worker::text;

/// A request is answered within this.
const REQUEST: Duration = Duration::from_secs(15);
const PERIOD: Duration = Duration::from_millis(500);
/// A new version is believed when it answers so often in a row.
const IN_A_ROW: u32 = 3;
/// Sends a request to one version of a worker among those that have traffic.
const OVERRIDE: &str = "Cloudflare-Workers-Version-Overrides";

/// Asks one deployment.
pub struct Probe {
    agent: Agent,
    url: String,
    secret: Option<HeaderValue>,
    limit: Duration,
}

/// What has to be seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// Release that the router names.
    pub router: Option<String>,
    /// Release that the admin API names, where it answers.
    pub admin: Option<String>,
    /// Value of the header that chooses a version.
    pub choose: Option<String>,
}

/// Chooses version `id` of the worker called `name`.
pub fn choose(name: &str, id: &str) -> String {
    format!("{name}=\"{id}\"")
}

impl Probe {
    /// Asks at `url` with an admin credential; without one only what everybody may.
    ///
    /// # Errors
    /// When the credential fits in no header.
    pub fn new(url: &str, secret: Option<&str>, limit: Duration) -> Result<Self, String> {
        let config = Agent::config_builder()
            .timeout_global(Some(REQUEST))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("moltworker-deploy/", env!("CARGO_PKG_VERSION")))
            .build();
        let mut secret = secret
            .map(HeaderValue::from_str)
            .transpose()
            .map_err(|_| "MOLT_ADMIN_SECRET holds a character that no credential has")?;
        if let Some(secret) = &mut secret {
            secret.set_sensitive(true);
        }
        Ok(Self {
            agent: Agent::new_with_config(config),
            url: url.to_owned(),
            secret,
            limit,
        })
    }

    /// Waits until what is expected answers several times in a row.
    ///
    /// # Errors
    /// What was seen instead when the time was over.
    pub fn until(&self, expected: &Expected) -> Result<(), String> {
        let deadline = Instant::now() + self.limit;
        let mut row = 0;
        loop {
            match self.once(expected) {
                Ok(()) => row += 1,
                Err(why) if Instant::now() >= deadline => return Err(why),
                Err(_) => row = 0,
            }
            if row >= IN_A_ROW {
                return Ok(());
            }
            thread::sleep(PERIOD);
        }
    }

    /// Watches for `span`: every answer has to be right, whichever version gives it.
    ///
    /// # Errors
    /// What went wrong first.
    pub fn watch(&self, span: Duration) -> Result<u32, String> {
        let end = Instant::now() + span;
        let mut seen = 0;
        loop {
            self.once(&Expected::default())?;
            seen += 1;
            if Instant::now() >= end {
                return Ok(seen);
            }
            thread::sleep(PERIOD);
        }
    }

    fn once(&self, expected: &Expected) -> Result<(), String> {
        let choose = expected.choose.as_deref();
        let status = self.get("/api/status", choose)?;
        let release = text(&status.body, &["release"]);
        if let Some(wanted) = &expected.router
            && release != Some(wanted)
        {
            return Err(format!(
                "/api/status: release {wanted} was expected and {} answers",
                release.unwrap_or("one without a name")
            ));
        }
        if self.secret.is_none() {
            return Ok(());
        }
        let document = self.ask("/api/super/openapi.json", choose)?;
        if document.backend.as_deref() != Some("admin") {
            // The flag is off: people get what ran before, whatever that says to this. Flags are answered by the new admin API all the same.
            let flags = self.get("/api/super/flags", choose)?;
            return match flags.backend.as_deref() {
                Some("admin") => Ok(()),
                other => Err(format!("/api/super/flags is answered by {}", other.unwrap_or("nobody"))),
            };
        }
        let document = document.good()?;
        let version = text(&document.body, &["info", "version"]).unwrap_or_default();
        if let Some(wanted) = &expected.admin
            && version.split_once('+').map(|(_, release)| release) != Some(wanted)
        {
            return Err(format!(
                "/api/super/openapi.json: release {wanted} was expected and {version:?} answers"
            ));
        }
        // The database, and the object of a sandbox, which is the gateway's. Reading its state starts nothing.
        let users = self.get("/api/super/users?limit=1", choose)?;
        let user = users
            .body
            .get("users")
            .and_then(|users| users.get(0))
            .and_then(|user| text(user, &["userId"]));
        if let Some(user) = user {
            self.get(&format!("/api/super/users/{user}/state"), choose)?;
        }
        Ok(())
    }

    /// Asks and wants to be answered with 200 and JSON.
    fn get(&self, path: &str, choose: Option<&str>) -> Result<Seen, String> {
        self.ask(path, choose)?.good()
    }

    fn ask(&self, path: &str, choose: Option<&str>) -> Result<Seen, String> {
        // A connection may break on the way from here; an answer is never asked for twice.
        let answer = self.call(path, choose).or_else(|_| self.call(path, choose));
        let mut answer = answer.map_err(|error| format!("{path}: {error}"))?;
        let backend = answer.headers().get("x-molt-backend");
        let backend = backend.and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Seen {
            path: path.to_owned(),
            status: answer.status().as_u16(),
            backend,
            body: answer.body_mut().read_json().unwrap_or_default(),
        })
    }

    fn call(&self, path: &str, choose: Option<&str>) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let (Some(secret), true) = (&self.secret, path.starts_with("/api/super")) {
            request = request.header("x-admin-secret", secret.clone());
        }
        if let Some(choose) = choose {
            request = request.header(OVERRIDE, choose);
        }
        request.call()
    }
}

struct Seen {
    path: String,
    status: u16,
    backend: Option<String>,
    body: Value,
}

impl Seen {
    fn good(self) -> Result<Self, String> {
        if self.status == 200 && !self.body.is_null() {
            return Ok(self);
        }
        let code = text(&self.body, &["code"]).unwrap_or("no JSON");
        let hint = match code {
            "bootstrap_off" => "; set MOLT_ADMIN_SECRET to an admin key with the scope fleet:read",
            _ => "",
        };
        Err(format!("{}: {} {code}{hint}", self.path, self.status))
    }
}
