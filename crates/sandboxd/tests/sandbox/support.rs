//! A sandbox of its own for each test: free ports, own home, own state; everything ends with it.

use std::future::Future;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use molt_common::control::{
    ControlError, ExecReport, ExecStart, ExecState, SupervisorPhase, SupervisorStatus, env, header,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

pub use crate::processes::{children, cmdline, is_alive, memory_of, tree};
use crate::told::Told;

/// Longest that anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Token of every sandbox of the tests.
pub const TOKEN: &str = "test-token-0123456789abcdef0123456789";
/// Owner of every sandbox of the tests.
pub const OWNER: &str = "3f0c6a52-0000-4000-8000-000000000001";

/// Below the range from which the kernel takes ports for outgoing connections.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

fn free_port() -> u16 {
    let base = 10_000 + (std::process::id() % 600) as u16 * 32;
    loop {
        let port = base + NEXT_PORT.fetch_add(1, Ordering::Relaxed) % 2_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// One running `sandboxd init`.
pub struct Sandbox {
    init: Child,
    folder: tempfile::TempDir,
    proxy_port: u16,
    control_port: u16,
    /// Loopback port of its agent.
    pub agent_port: u16,
    client: reqwest::Client,
    keeps_disk: bool,
}

impl Sandbox {
    /// Starts one and waits until its agent is ready.
    pub async fn ready() -> Self {
        Self::with(&[]).await
    }

    /// The same with further arguments for `init`.
    pub async fn with(args: &[&str]) -> Self {
        let sandbox = Self::start(args);
        sandbox.phase(SupervisorPhase::Ready).await;
        sandbox
    }

    /// Starts one and waits for nothing.
    pub fn start(args: &[&str]) -> Self {
        Self::of("echo", args)
    }

    /// Starts one with this kind of agent.
    pub fn of(agent: &str, args: &[&str]) -> Self {
        Self::of_with(agent, args, |_| ())
    }

    /// The same with something in its home, which then belongs to the agent's user.
    pub fn of_with(agent: &str, args: &[&str], furnish: impl FnOnce(&Path)) -> Self {
        Self::of_env(agent, args, &[], furnish)
    }

    /// Starts one with further variables and waits until its agent is ready.
    pub async fn of_vars(agent: &str, vars: &[(&str, &str)]) -> Self {
        let sandbox = Self::of_env(agent, &[], vars, |_| ());
        sandbox.phase(SupervisorPhase::Ready).await;
        sandbox
    }

    /// Starts one with further variables and something in its home, and waits for nothing.
    pub fn start_with_vars(agent: &str, vars: &[(&str, &str)], furnish: impl FnOnce(&Path)) -> Self {
        Self::of_env(agent, &[], vars, furnish)
    }

    /// Starts one with all of that and waits for nothing.
    pub fn of_env(agent: &str, args: &[&str], vars: &[(&str, &str)], furnish: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir(&home).unwrap();
        furnish(&home);
        if Uid::effective().is_root() {
            give_to_agent(&home);
        }
        let (proxy_port, control_port, agent_port) = (free_port(), free_port(), free_port());
        // As systems begin with, whatever the shell of the tests allows.
        let init = Command::new("prlimit")
            .args(["--nofile=1024:", "--"])
            .arg(program_in(folder.path()))
            .args(["init", "--listen", "127.0.0.1"])
            .arg("--home")
            .arg(&home)
            .arg("--state-dir")
            .arg(folder.path().join("state"))
            .args(["--proxy-port", &proxy_port.to_string()])
            .args(["--control-port", &control_port.to_string()])
            .args(["--agent-port", &agent_port.to_string()])
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LEAK_CANARY", "canary")
            .env(env::SANDBOX_ID, "sb-test")
            .env(env::GENERATION, "3")
            .env(env::CONTROL_TOKEN, TOKEN)
            .env(env::OWNER, OWNER)
            .env(env::PUBLIC_ORIGINS, "https://agent.example")
            .env(env::AGENT, agent)
            .env(env::TIER, "1")
            .envs(vars.iter().copied())
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self {
            init,
            folder,
            proxy_port,
            control_port,
            agent_port,
            client,
            keeps_disk: vars.iter().any(|(name, _)| *name == env::RESTORE),
        }
    }

    /// Process id of `init`.
    pub fn init_pid(&self) -> Pid {
        Pid::from_raw(self.init.id() as i32)
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What is logged, open: it can be read when the folder has gone with the sandbox.
    pub fn log_file(&self) -> std::fs::File {
        std::fs::File::open(self.folder.path().join("log")).unwrap()
    }

    /// What the supervisor's processes have logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// A request to the control API without the token.
    pub fn control_anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://127.0.0.1:{}{path}", self.control_port))
    }

    /// A request to the control API.
    pub fn control(&self, method: Method, path: &str) -> RequestBuilder {
        self.control_anonymous(method, path).bearer_auth(TOKEN)
    }

    pub async fn try_status(&self) -> Option<SupervisorStatus> {
        self.control(Method::GET, "/v1/status")
            .send()
            .await
            .ok()?
            .json()
            .await
            .ok()
    }

    pub async fn status(&self) -> SupervisorStatus {
        self.control(Method::GET, "/v1/status")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Waits for a phase and returns the status that showed it.
    pub async fn phase(&self, phase: SupervisorPhase) -> SupervisorStatus {
        self.status_where(|status| status.phase == phase).await
    }

    /// Waits for a status of which `holds` is true.
    pub async fn status_where(&self, holds: impl Fn(&SupervisorStatus) -> bool) -> SupervisorStatus {
        eventually(|| async { self.try_status().await.filter(|status| holds(status)) }).await
    }

    /// Address of the control API.
    pub fn control_address(&self) -> String {
        format!("127.0.0.1:{}", self.control_port)
    }

    /// Address of the proxy.
    pub fn proxy_address(&self, path: &str) -> String {
        format!("127.0.0.1:{}{path}", self.proxy_port)
    }

    /// A request to the proxy without any identity.
    pub fn proxy_anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}", self.proxy_address(path)))
    }

    /// A request to the proxy as the edge sends it.
    pub fn proxy(&self, method: Method, path: &str) -> RequestBuilder {
        self.proxy_anonymous(method, path)
            .header(header::USER, OWNER)
            .header(header::CLIENT_IP, "203.0.113.7")
            .header(header::PROTO, "https")
            .header(header::HOST, "agent.example")
            .header(header::ACCEPT_ENCODING, "identity")
    }

    /// `POST /v1/exec`.
    pub async fn post_exec(&self, request: &ExecStart) -> Response {
        self.control(Method::POST, "/v1/exec")
            .json(request)
            .send()
            .await
            .unwrap()
    }

    /// Starts a command and expects that it is taken.
    pub async fn start_exec(&self, request: &ExecStart) -> ExecReport {
        let response = self.post_exec(request).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        response.json().await.unwrap()
    }

    /// A command as it stands.
    pub async fn exec_now(&self, id: &str) -> Told {
        self.told(id, 0).await.unwrap()
    }

    /// Waits for the end of a command. By one long question where that lasts: of a sandbox that stops, what is asked between two may come too late.
    pub async fn exec_ended(&self, id: &str) -> Told {
        eventually(|| async {
            let told = self.told(id, 10_000).await?;
            (told.state != ExecState::Running).then_some(told)
        })
        .await
    }

    /// Runs a command to its end.
    pub async fn run(&self, request: ExecStart) -> Told {
        self.start_exec(&request).await;
        self.exec_ended(&request.exec_id).await
    }

    /// Process id of `serve`.
    pub fn serve_pid(&self) -> Pid {
        let children = children(self.init_pid());
        *children
            .iter()
            .find(|pid| cmdline(**pid).contains("serve"))
            .expect("no serve")
    }

    /// Process id of the one command's shim.
    pub fn shim_pid(&self) -> Pid {
        let tree = tree(self.init_pid());
        *tree
            .iter()
            .find(|pid| cmdline(**pid).contains("run-command"))
            .expect("no shim")
    }

    /// Sends TERM to `init` and waits for its exit.
    pub async fn stop(mut self) -> ExitStatus {
        kill(self.init_pid(), Signal::SIGTERM).unwrap();
        eventually(|| std::future::ready(self.init.try_wait().unwrap())).await
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        // Gone when the test has stopped it itself.
        if self.init.try_wait().unwrap().is_none() {
            for signal in [Signal::SIGTERM, Signal::SIGTERM] {
                let _ = kill(self.init_pid(), signal);
            }
            // One that keeps its disk would save, at an edge that is a task of the thread that waits here.
            let all = [self.init_pid()].into_iter().chain(tree(self.init_pid()));
            all.filter(|_| self.keeps_disk)
                .for_each(|pid| _ = kill(pid, Signal::SIGKILL));
            let _ = self.init.wait();
        }
    }
}

/// The program under a path that the agent's user may walk: the build may lie in a home folder that is closed to others.
fn program_in(folder: &Path) -> PathBuf {
    let (built, program) = (env!("CARGO_BIN_EXE_sandboxd"), folder.join("sandboxd"));
    if std::fs::hard_link(built, &program).is_err() {
        // Another file system.
        std::fs::copy(built, &program).unwrap();
    }
    program
}

pub fn give_to_agent(path: &Path) {
    chown(path, Some(1000), Some(1000)).unwrap();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap().flatten() {
            give_to_agent(&entry.path());
        }
    }
}

/// A request that runs `command` in the shell.
pub fn shell(id: &str, command: &str) -> ExecStart {
    request(json!({ "execId": id, "command": command }))
}

/// A request with defaults for what `fields` leave out.
pub fn request(fields: Value) -> ExecStart {
    let mut request = json!({ "timeoutMs": 20_000, "maxOutputBytes": 65_536 });
    request
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    serde_json::from_value(request).unwrap()
}

/// The error of a control answer.
pub async fn error_of(response: Response) -> (StatusCode, ControlError) {
    (response.status(), response.json().await.unwrap())
}

/// Asks until there is an answer.
pub async fn eventually<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "it did not happen within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
