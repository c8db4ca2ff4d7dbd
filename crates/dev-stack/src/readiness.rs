//! Whether the stack answers. Ready means that a real request succeeds, through every worker that it takes.

use std::time::{Duration, Instant};

use molt_common::admin_secret;
use reqwest::{Client, StatusCode};

/// Code of the answer to a bootstrap secret that an operator has switched off.
const BOOTSTRAP_OFF: &str = "\"bootstrap_off\"";
/// Code of the answer where an operator has switched a flag off: kept, like all state, over a restart.
const SWITCHED_OFF: &str = "\"switched_off\"";
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Asks the routers.
#[derive(Clone, Debug)]
pub struct Probe {
    http: Client,
}

/// What the requests carry.
#[derive(Clone)]
pub struct Credentials {
    /// Bootstrap secret of the admin API.
    pub admin: String,
    /// Id of a person.
    pub user: &'static str,
    /// Value of `Authorization` that signs that person in.
    pub authorization: String,
}

/// The requests: path, and the header that it needs. None of them wakes a sandbox.
fn checks(credentials: &Credentials) -> [(String, Option<(&str, &str)>); 4] {
    let admin = Some((admin_secret::HEADER, credentials.admin.as_str()));
    let user = Some(("authorization", credentials.authorization.as_str()));
    [
        ("/health".to_owned(), None),
        // Router to admin, and the database.
        ("/api/super/users".to_owned(), admin),
        // Admin to the sandbox's object, which lives in the gateway.
        (format!("/api/super/users/{}/state", credentials.user), admin),
        // Router to gateway.
        ("/_molt/boot".to_owned(), user),
    ]
}

/// Why the stack is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The time is over.
    #[error("no answer within {} s; {seen}", .limit.as_secs())]
    Deadline {
        /// The time that was given.
        limit: Duration,
        /// What was seen last.
        seen: String,
    },
}

impl Probe {
    /// A probe that goes through no proxy.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn new() -> reqwest::Result<Self> {
        Ok(Self {
            http: Client::builder().no_proxy().build()?,
        })
    }

    /// Waits until every router answers 200 to requests that, together, take every worker and every binding between them.
    ///
    /// # Errors
    /// When that takes longer than `limit`.
    pub async fn wait(&self, urls: &[String], credentials: &Credentials, limit: Duration) -> Result<(), NotReady> {
        let deadline = Instant::now() + limit;
        for url in urls {
            while let Err(seen) = self.answers(url, credentials).await {
                if Instant::now() >= deadline {
                    return Err(NotReady::Deadline { limit, seen });
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Whether anything at all answers on the port within `limit`; any HTTP status will do.
    pub async fn is_alive(&self, port: u16, limit: Duration) -> bool {
        let url = format!("http://127.0.0.1:{port}/health");
        self.http.get(url).timeout(limit).send().await.is_ok()
    }

    /// Waits until one wrangler process answers by itself; any HTTP status will do.
    ///
    /// # Errors
    /// When that takes longer than `limit`.
    pub async fn wait_alive(&self, port: u16, limit: Duration) -> Result<(), NotReady> {
        let deadline = Instant::now() + limit;
        while !self.is_alive(port, ANSWER_LIMIT).await {
            if Instant::now() >= deadline {
                let seen = format!("GET http://127.0.0.1:{port}/health: no answer");
                return Err(NotReady::Deadline { limit, seen });
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn answers(&self, url: &str, credentials: &Credentials) -> Result<(), String> {
        for (path, credential) in checks(credentials) {
            self.expect_ok(&format!("{url}{path}"), credential).await?;
        }
        Ok(())
    }

    async fn expect_ok(&self, url: &str, credential: Option<(&str, &str)>) -> Result<(), String> {
        let mut request = self.http.get(url).timeout(ANSWER_LIMIT);
        if let Some((header, value)) = credential {
            request = request.header(header, value);
        }
        let response = request.send().await.map_err(|error| {
            let cause = if error.is_timeout() {
                "no answer"
            } else {
                "no connection"
            };
            format!("GET {url}: {cause}")
        })?;
        match response.status() {
            StatusCode::OK => Ok(()),
            status => {
                // What ran before has answered, and knows no such page.
                let legacy = response
                    .headers()
                    .get("x-molt-backend")
                    .is_some_and(|name| name == "legacy");
                if legacy && status == StatusCode::NOT_FOUND {
                    return Ok(());
                }
                let body = response.text().await.unwrap_or_default();
                // An operator may have switched the secret off; the admin worker, which knows that, has answered all the same.
                if status == StatusCode::FORBIDDEN && body.contains(BOOTSTRAP_OFF) {
                    return Ok(());
                }
                // So does the router of what an operator has switched off.
                if status == StatusCode::SERVICE_UNAVAILABLE && body.contains(SWITCHED_OFF) {
                    return Ok(());
                }
                Err(format!(
                    "GET {url}: {status} {}",
                    body.chars().take(300).collect::<String>()
                ))
            }
        }
    }
}
