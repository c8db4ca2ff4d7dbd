//! Questions to the engine stand-in, over its socket.

use crate::people::User;
use crate::processes;
use crate::secrets;
use crate::wait::until;
use serde::Deserialize;
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(15);
/// Between two tries.
const LOOK: Duration = Duration::from_millis(50);

/// The engine of a stack.
pub struct Engine {
    http: Option<reqwest::Client>,
}

/// A container, as the engine describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Name.
    pub name: String,
    /// `app` or `sidecar`.
    pub kind: String,
    /// `created`, `running` or `exited`.
    pub status: String,
    /// Process id of its first process, while it runs.
    pub pid: Option<i32>,
}

#[derive(Deserialize)]
struct Listed {
    containers: Vec<Container>,
}

impl Engine {
    /// The engine behind a socket.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(socket: Option<&Path>) -> reqwest::Result<Self> {
        let client = |socket: &Path| {
            reqwest::Client::builder()
                .no_proxy()
                .timeout(LIMIT)
                .unix_socket(socket)
                .build()
        };
        Ok(Self {
            http: socket.map(client).transpose()?,
        })
    }

    /// Every container.
    ///
    /// # Panics
    /// When there is no engine stand-in, or it does not answer.
    pub async fn containers(&self) -> Vec<Container> {
        let http = self.http.as_ref().expect("the stack runs with the engine stand-in");
        // One that was killed is on its way up again.
        let late = Instant::now() + LIMIT;
        let response = loop {
            match http.get("http://engine/molt/containers").send().await {
                Ok(response) => break response,
                Err(error) if Instant::now() > late => panic!("the engine does not answer: {error}"),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        };
        let listed: Listed = response
            .error_for_status()
            .expect("200")
            .json()
            .await
            .expect("a list of containers");
        listed.containers
    }

    /// Process ids of the running containers of a user's sandbox: one while it runs, else none.
    ///
    /// # Panics
    /// See [`Engine::containers`].
    pub async fn running(&self, user: &User) -> Vec<i32> {
        let id = user.sandbox();
        let apps = self
            .containers()
            .await
            .into_iter()
            .filter(|container| container.kind == "app");
        let pids: Vec<i32> = apps.filter_map(|container| container.pid).collect();
        for token in pids
            .iter()
            .filter_map(|pid| processes::variable(*pid, "MOLT_CONTROL_TOKEN"))
        {
            secrets::used("the control token of a sandbox", &token);
        }
        pids.into_iter()
            .filter(|pid| processes::variable(*pid, "MOLT_SANDBOX_ID").is_some_and(|own| own == id))
            .collect()
    }

    /// The one running container of a user's sandbox.
    ///
    /// # Panics
    /// When there is not exactly one.
    pub async fn only(&self, user: &User) -> i32 {
        let running = self.running(user).await;
        let [pid] = running[..] else {
            panic!("not one container but {running:?}")
        };
        pid
    }

    /// Waits until a user's sandbox has no container.
    ///
    /// # Panics
    /// When it keeps one.
    pub async fn none(&self, user: &User) {
        let gone = async || self.running(user).await.is_empty().then_some(());
        until("the container is gone", Duration::from_secs(30), gone).await;
    }
}
