//! What the tests share: an engine of their own, containers in it, and stand-ins for the edge.
//!
//! These tests need what sandboxes need: root (or subordinate ids), namespaces, bubblewrap, iproute2 and nftables, and perl and util-linux for
//! the program inside. A test never passes for the lack of them: [`Engine::start`] panics and says what to install.
#![allow(dead_code, reason = "every test file uses a part of it")]

pub mod edge;
pub mod http;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The engine under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_local-engine");
/// Reference of a sidecar's image, as the runtime sends it.
pub const SIDECAR: &str = "cloudflare/proxy-everything:3cb1195@sha256:0ef6";
/// Reference that means the guest.
pub const GUEST: &str = "cloudflare-dev/guest:1";

/// Waits until `condition` gives something; panics with `what` after [`PATIENCE`].
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "{what} did not come true within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The same command in a mount namespace in which `programs` are covered.
fn without(programs: &[&str], command: &Command) -> Command {
    let cover: String = programs
        .iter()
        .map(|path| format!("mount --bind /dev/null {path} && "))
        .collect();
    let mut covered = Command::new("unshare");
    covered.args(["--mount", "/bin/sh", "-c", &format!("{cover} exec \"$@\""), "sh"]);
    covered
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    covered
}

/// Panics unless this machine can run sandboxes.
fn require() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "these tests make namespaces and control groups: run them as root"
    );
    for (program, package) in [
        ("bwrap", "bubblewrap"),
        ("ip", "iproute2"),
        ("nft", "nftables"),
        ("iptables-restore", "iptables"),
        ("openssl", "openssl"),
        ("unshare", "util-linux"),
        ("perl", "perl-base"),
        ("setpriv", "util-linux"),
        ("setsid", "util-linux"),
    ] {
        let there = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
            .iter()
            .any(|dir| Path::new(dir).join(program).exists());
        assert!(
            there,
            "these tests need the program {program}: apt-get install {package}"
        );
    }
}

/// An engine with a directory of its own. Ends with the test.
pub struct Engine {
    pub child: Child,
    pub directory: tempfile::TempDir,
}

/// How an engine is set up.
#[derive(Default)]
pub struct Setup {
    pub allow_host: Vec<String>,
    pub limits: Option<Value>,
    pub grace: Option<u64>,
    /// Programs of the machine that the engine must do without.
    pub without: Vec<&'static str>,
    pub directory: Option<tempfile::TempDir>,
}

impl Engine {
    pub fn start() -> Self {
        Self::with(Setup::default())
    }

    pub fn with(setup: Setup) -> Self {
        require();
        let directory = setup.directory.unwrap_or_else(|| tempfile::tempdir().unwrap());
        let guest = directory.path().join("guest.pl");
        std::fs::write(&guest, include_str!("guest.pl")).unwrap();
        let mut image = json!({
            "match": "cloudflare-dev/*",
            "entrypoint": ["/usr/bin/perl", "/opt/guest/guest.pl"],
            "env": {"HOME": "/home/agent"},
            "mounts": [{"source": guest, "target": "/opt/guest/guest.pl"}],
            "writable": ["/home/agent", "/var/lib/molt"],
            "hostname": "box",
        });
        if let Some(limits) = setup.limits {
            image["limits"] = limits;
        }
        std::fs::write(
            directory.path().join("images.json"),
            json!({"images": [image]}).to_string(),
        )
        .unwrap();
        let mut command = Self::command(directory.path());
        if !setup.without.is_empty() {
            command = without(&setup.without, &command);
            command.stderr(Self::log_file(directory.path()));
        }
        for allowed in &setup.allow_host {
            command.args(["--allow-host", allowed]);
        }
        if let Some(grace) = setup.grace {
            command.args(["--grace", &grace.to_string()]);
        }
        let child = command.spawn().unwrap();
        let mut engine = Self { child, directory };
        eventually("the engine's socket", || {
            let ended = engine.child.try_wait().unwrap();
            assert!(ended.is_none(), "the engine did not start: {}", engine.log());
            (engine.try_call("GET", "/_ping", None).ok()?.status == 200).then_some(())
        });
        engine
    }

    /// The command that starts an engine in `directory`, where the images file is.
    pub fn command(directory: &Path) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg("--socket").arg(directory.join("engine.sock"));
        command
            .arg("--run-dir")
            .arg(directory.join("run"))
            .arg("--images")
            .arg(directory.join("images.json"));
        // A variable of the engine that no container may see.
        command
            .env("ENGINE_SECRET", "engine-secret")
            .env("RUST_LOG", "debug")
            .stdin(Stdio::null())
            .stderr(Self::log_file(directory));
        command
    }

    fn log_file(directory: &Path) -> std::fs::File {
        let path = directory.join("engine.log");
        std::fs::File::options().create(true).append(true).open(path).unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("engine.log")).unwrap_or_default()
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("engine.sock")
    }

    pub fn run_dir(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    pub fn try_call(&self, method: &str, path: &str, body: Option<&[u8]>) -> std::io::Result<http::Answer> {
        http::call(
            std::os::unix::net::UnixStream::connect(self.socket())?,
            method,
            path,
            body,
        )
    }

    pub fn call(&self, method: &str, path: &str) -> http::Answer {
        self.try_call(method, path, None).unwrap()
    }

    pub fn send(&self, method: &str, path: &str, body: &Value) -> http::Answer {
        self.try_call(method, path, Some(body.to_string().as_bytes())).unwrap()
    }

    /// All containers, as the engine knows them.
    pub fn containers(&self) -> Vec<Value> {
        self.call("GET", "/molt/containers").json()["containers"]
            .as_array()
            .unwrap()
            .clone()
    }

    pub fn inspect(&self, name: &str) -> Value {
        let answer = self.call("GET", &format!("/containers/{name}/json"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// A network of its own for the container `name`.
    pub fn sidecar(&self, name: &str) -> u16 {
        let body = json!({"Image": SIDECAR, "HostConfig": {"NetworkMode": "bridge", "CapAdd": ["NET_ADMIN"]},
            "Labels": {"dev.workerd.session": "s1"}});
        let created = self.send("POST", &format!("/containers/create?name={name}-proxy"), &body);
        assert_eq!(created.status, 201, "{created:?}");
        let started = self.call("POST", &format!("/containers/{name}-proxy/start"));
        assert_eq!(started.status, 204, "{started:?}");
        let port =
            self.inspect(&format!("{name}-proxy"))["NetworkSettings"]["Ports"]["39001/tcp"][0]["HostPort"].clone();
        port.as_str().unwrap().parse().unwrap()
    }

    /// Creates an app in the network of `<name>-proxy`, as the runtime does; `more` goes on top.
    pub fn create(&self, name: &str, more: &Value) -> http::Answer {
        let mut body = json!({"Image": GUEST, "Labels": {"dev.workerd.session": "s1"}, "HostConfig": {
            "NetworkMode": format!("container:{name}-proxy"), "RestartPolicy": {"Name": "on-failure"}}});
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        self.send("POST", &format!("/containers/create?name={name}"), &body)
    }

    /// A sandbox whose guest answers.
    pub fn sandbox(&self, name: &str) -> Sandbox<'_> {
        self.sandbox_with(name, &json!({}))
    }

    pub fn sandbox_with(&self, name: &str, more: &Value) -> Sandbox<'_> {
        let port = self.sidecar(name);
        let created = self.create(name, more);
        assert_eq!(created.status, 201, "{created:?}");
        let started = self.call("POST", &format!("/containers/{name}/start"));
        assert_eq!(
            started.status,
            204,
            "{started:?} {}",
            self.call("GET", &format!("/containers/{name}/logs")).text()
        );
        let sandbox = Sandbox {
            engine: self,
            name: name.to_owned(),
            port,
        };
        eventually("the guest's port", || sandbox.connect(8080).ok());
        sandbox
    }

    /// Ends the engine with a signal and answers with its status.
    pub fn end(&mut self, signal: nix::sys::signal::Signal) -> ExitStatus {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
        eventually("the end of the engine", || self.child.try_wait().unwrap())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let status = self.end(nix::sys::signal::Signal::SIGTERM);
            if !std::thread::panicking() {
                assert!(
                    status.success() && status.signal().is_none(),
                    "the engine ended badly: {status} {}",
                    self.log()
                );
            }
        }
        if std::thread::panicking() {
            // Without the requests of a test that looks again and again.
            let log = self.log();
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains("DEBUG request ")).collect();
            let last = &lines[lines.len().saturating_sub(40)..];
            eprintln!("--- engine log, its end, without requests ---\n{}", last.join("\n"));
        }
    }
}

/// A container with the guest in it, and its network.
pub struct Sandbox<'a> {
    pub engine: &'a Engine,
    pub name: String,
    pub port: u16,
}

impl Sandbox<'_> {
    /// A connection to a port inside; the error holds the status of a refusal.
    pub fn connect(&self, port: u16) -> Result<TcpStream, u16> {
        http::connect_through(self.port, port)
    }

    /// Runs a command line inside and answers with all that it says.
    pub fn run(&self, command: &str) -> String {
        let mut stream = self.connect(8080).unwrap();
        stream.write_all(format!("{command}\n").as_bytes()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut said = Vec::new();
        stream
            .read_to_end(&mut said)
            .unwrap_or_else(|error| panic!("{command}: {error}"));
        String::from_utf8_lossy(&said).trim_end().to_owned()
    }

    /// Runs a command line as the agent's user.
    pub fn run_as_agent(&self, command: &str) -> String {
        assert!(!command.contains('\''), "no quotes");
        self.run(&format!(
            "setpriv --reuid 1000 --regid 1000 --clear-groups sh -c '{command}'"
        ))
    }

    /// What the sidecar is told about the way out.
    pub fn put_egress(&self, body: &Value) {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let answer = http::call(stream, "PUT", "/egress", Some(body.to_string().as_bytes())).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Process id of process 1, on the host.
    pub fn pid(&self) -> i32 {
        let pid = self.engine.inspect(&self.name)["State"]["Pid"].as_i64().unwrap();
        assert_ne!(pid, 0);
        i32::try_from(pid).unwrap()
    }

    pub fn remove(&self) -> http::Answer {
        self.engine
            .call("DELETE", &format!("/containers/{}?force=true", self.name))
    }
}

/// Processes of the host, zombies aside, one of whose arguments is `argument`.
pub fn processes_with(argument: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(arguments) = std::fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        if arguments
            .split(|byte| *byte == 0)
            .any(|word| word == argument.as_bytes())
        {
            found.push(pid);
        }
    }
    found
}
