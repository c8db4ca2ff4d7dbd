//! The container engine: what it is told, and its API as far as the stack uses it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::{Agent, UpArgs};

/// Directories inside a sandbox.
mod inside {
    pub const SANDBOXD: &str = "/opt/molt/sandboxd";
    pub const NODE: &str = "/opt/node/bin";
    pub const OPENCLAW: &str = "/opt/openclaw";
}

/// How long a sandbox gets between TERM and KILL when the stack stops, in seconds.
const STOP_SECONDS: u64 = 20;

/// The images file of the engine: every image is our supervisor with the agent beside it.
///
/// # Errors
/// When the real agent is wanted and no folder of it is known.
pub fn images(args: &UpArgs) -> Result<Value, MissingAgent> {
    let mut mounts = vec![json!({"source": args.tools.bin.join("sandboxd"), "target": inside::SANDBOXD})];
    if args.agent == Agent::Openclaw {
        let openclaw = args
            .tools
            .openclaw
            .as_deref()
            .filter(|path| path.is_dir())
            .ok_or(MissingAgent)?;
        mounts.push(json!({"source": openclaw.join("node_modules/node/bin"), "target": inside::NODE}));
        mounts.push(json!({"source": openclaw, "target": inside::OPENCLAW}));
    }
    Ok(json!({"images": [{
        "match": "*",
        "entrypoint": [inside::SANDBOXD, "init"],
        "env": {"PATH": format!("{}:/usr/local/bin:/usr/bin:/bin", inside::NODE)},
        "mounts": mounts,
        "writable": ["/home/agent", "/var/lib/molt"],
        "hostname": "sandbox",
    }]}))
}

/// The real agent was asked for and is not installed.
#[derive(Debug, thiserror::Error)]
#[error("OpenClaw is not installed; run scripts/setup, or use --agent echo")]
pub struct MissingAgent;

/// Command line of the engine.
pub fn command(args: &UpArgs, socket: &Path, run: &Path, images: &Path) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut command = vec![text(&args.tools.bin.join("local-engine")), "serve".to_owned()];
    for (option, path) in [("--socket", socket), ("--run-dir", run), ("--images", images)] {
        command.extend([option.to_owned(), text(path)]);
    }
    for host in &args.allow_host {
        command.extend(["--allow-host".to_owned(), host.clone()]);
    }
    if args.forward_port != 0 {
        command.extend(["--forward-port".to_owned(), args.forward_port.to_string()]);
    }
    for host in &args.internet_host {
        command.extend(["--internet-host".to_owned(), host.clone()]);
    }
    if let Some(file) = &args.internet_ca {
        command.extend(["--internet-ca".to_owned(), text(file)]);
    }
    if let Some(most) = args.max_containers {
        command.extend(["--max-containers".to_owned(), most.to_string()]);
    }
    command
}

/// Client of the engine's API over its Unix socket.
#[derive(Clone, Debug)]
pub struct EngineClient {
    http: reqwest::Client,
}

/// A container as the engine lists it.
#[derive(Debug, Deserialize)]
struct Listed {
    #[serde(rename = "Names", default)]
    names: Vec<String>,
}

impl EngineClient {
    /// A client for the engine that listens on `socket`.
    ///
    /// # Errors
    /// When the client cannot be set up; the engine need not run yet.
    pub fn new(socket: PathBuf) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            .no_proxy()
            // An idle connection would keep an engine that is asked to end waiting for its next request.
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(STOP_SECONDS + 10))
            .build()?;
        Ok(Self { http })
    }

    /// Names of the sandboxes that run. The sidecars that own their networks are not among them.
    ///
    /// # Errors
    /// When the engine does not answer, or not as it should.
    pub async fn sandboxes(&self) -> reqwest::Result<Vec<String>> {
        Ok(sandbox_names(&self.list("http://engine/containers/json").await?))
    }

    /// Removes every container, running or not: those of a runtime that is gone, whose successor gives its own new names.
    ///
    /// # Errors
    /// When the engine does not answer, or not as it should.
    pub async fn remove_all(&self) -> reqwest::Result<()> {
        let names = container_names(&self.list("http://engine/containers/json?all=1").await?);
        // A short grace: whoever owned them has forgotten them.
        join_all(
            names
                .iter()
                .filter(|name| !is_sidecar(name))
                .map(|name| self.stop_within(name, 3)),
        )
        .await;
        let (sidecars, sandboxes): (Vec<_>, Vec<_>) = names.iter().partition(|name| is_sidecar(name));
        for name in sandboxes.into_iter().chain(sidecars) {
            let url = format!("http://engine/containers/{name}?force=true");
            accept_missing(self.http.delete(url).send().await?)?;
        }
        Ok(())
    }

    async fn list(&self, url: &str) -> reqwest::Result<Vec<Listed>> {
        let response = self.http.get(url).timeout(Duration::from_secs(5)).send().await?;
        response.error_for_status()?.json().await
    }

    /// Stops a sandbox: TERM, a bounded wait for its end, KILL. Answers when it has ended.
    ///
    /// # Errors
    /// When the engine does not answer or refuses; one that is gone already is no fault.
    pub async fn stop(&self, name: &str) -> reqwest::Result<()> {
        self.stop_within(name, STOP_SECONDS).await
    }

    async fn stop_within(&self, name: &str, seconds: u64) -> reqwest::Result<()> {
        let url = format!("http://engine/containers/{name}/stop?t={seconds}");
        accept_missing(self.http.post(url).send().await?)
    }
}

fn accept_missing(response: reqwest::Response) -> reqwest::Result<()> {
    if response.status() == reqwest::StatusCode::NOT_FOUND {
        return Ok(());
    }
    response.error_for_status().map(drop)
}

/// The container that owns a sandbox's network is named after it.
fn is_sidecar(name: &str) -> bool {
    name.ends_with("-proxy")
}

fn container_names(listed: &[Listed]) -> Vec<String> {
    let names = listed.iter().filter_map(|container| container.names.first());
    names.map(|name| name.trim_start_matches('/').to_owned()).collect()
}

fn sandbox_names(listed: &[Listed]) -> Vec<String> {
    container_names(listed)
        .into_iter()
        .filter(|name| !is_sidecar(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn args(extra: &[&str]) -> UpArgs {
        let base = ["dev-stack", "up", "--root=/r", "--node=/n", "--wrangler=/w", "--bin=/b"];
        match Cli::try_parse_from(base.iter().chain(extra)).unwrap().command {
            Command::Up(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_stand_in_needs_neither_node_nor_openclaw() {
        let images = images(&args(&["--agent=echo"])).unwrap();
        assert_eq!(
            images.pointer("/images/0/mounts"),
            Some(&json!([{"source": "/b/sandboxd", "target": "/opt/molt/sandboxd"}]))
        );
    }

    #[test]
    fn the_real_agent_brings_its_node() {
        let folder = tempfile::tempdir().unwrap();
        let openclaw = folder.path().to_str().unwrap();
        let images = images(&args(&["--openclaw", openclaw])).unwrap();
        let mounts = images.pointer("/images/0/mounts").and_then(Value::as_array).unwrap();
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts[2], json!({"source": openclaw, "target": "/opt/openclaw"}));
        assert!(super::images(&args(&["--openclaw=/absent"])).is_err());
    }

    #[test]
    fn every_allowed_host_reaches_the_engine() {
        let args = args(&["--allow-host=a.test=127.0.0.1:1", "--allow-host=b.test=127.0.0.1:2"]);
        let command = command(&args, Path::new("/s"), Path::new("/run"), Path::new("/i"));
        assert_eq!(
            command[..8],
            [
                "/b/local-engine",
                "serve",
                "--socket",
                "/s",
                "--run-dir",
                "/run",
                "--images",
                "/i"
            ]
        );
        assert_eq!(
            command[8..],
            [
                "--allow-host",
                "a.test=127.0.0.1:1",
                "--allow-host",
                "b.test=127.0.0.1:2"
            ]
        );
    }

    #[test]
    fn sidecars_are_left_to_the_runtime() {
        let listed: Vec<Listed> =
            serde_json::from_value(json!([{"Names": ["/workerd-1-proxy"]}, {"Names": ["/workerd-1"]}, {}])).unwrap();
        assert_eq!(sandbox_names(&listed), ["workerd-1"]);
    }
}
