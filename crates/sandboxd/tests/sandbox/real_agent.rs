//! The real agent behind the proxy. It takes 836 MB on disk, so this runs only where somebody has installed it, in a folder that the agent's user may walk:
//! `scripts/drill agent-life` does.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use molt_common::control::{SupervisorPhase, SupervisorStatus, header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{OWNER, Sandbox, eventually, tree};

/// From the start of the process to an agent that admits traffic, on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// Its own document, with a key that has to survive and one that must not.
const DOCUMENT: &str = "// mine\n{ logging: { level: 'info' }, gateway: { auth: { mode: 'none' } } }";

/// A sandbox with the real agent and this document of its user's, as soon as it is ready.
pub async fn ready(document: &str) -> Sandbox {
    let sandbox = start(document);
    until_ready(&sandbox).await;
    sandbox
}

/// The same without waiting.
pub fn start(document: &str) -> Sandbox {
    start_with_vars(document, &[])
}

/// The same with further variables.
pub fn start_with_vars(document: &str, vars: &[(&str, &str)]) -> Sandbox {
    let installed =
        PathBuf::from(std::env::var_os("SANDBOXD_TEST_OPENCLAW").expect("SANDBOXD_TEST_OPENCLAW is not set"));
    let node_bin = installed.join("node_modules/node/bin");
    let args = [
        "--openclaw-dir",
        installed.to_str().unwrap(),
        "--node-bin",
        node_bin.to_str().unwrap(),
    ];
    Sandbox::of_env("openclaw", &args, vars, |home| {
        std::fs::create_dir(home.join(".openclaw")).unwrap();
        std::fs::write(home.join(".openclaw/openclaw.json"), document).unwrap();
    })
}

/// Waits until the agent admits traffic; a failure on the way is one of the test.
pub async fn until_ready(sandbox: &Sandbox) -> SupervisorStatus {
    let begun = Instant::now();
    loop {
        let status = eventually(|| sandbox.try_status()).await;
        assert_ne!(status.phase, SupervisorPhase::Failed, "{:?}", status.cause);
        if status.phase == SupervisorPhase::Ready {
            return status;
        }
        assert!(begun.elapsed() < START_PATIENCE, "not ready: {:?}", status.log_tail);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Resident memory of everything in the sandbox.
pub fn resident_mib(sandbox: &Sandbox) -> u64 {
    let pages = |pid: &nix::unistd::Pid| -> Option<u64> {
        std::fs::read_to_string(format!("/proc/{pid}/statm"))
            .ok()?
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()
    };
    tree(sandbox.init_pid()).iter().filter_map(pages).sum::<u64>() * 4096 / 1024 / 1024
}

#[tokio::test]
#[ignore = "needs an installed agent, named by SANDBOXD_TEST_OPENCLAW"]
async fn the_control_ui_opens_and_its_socket_says_hello_without_a_token() {
    let begun = Instant::now();
    let sandbox = ready(DOCUMENT).await;
    let status = sandbox.status().await;
    println!(
        "ready after {:?}, {} MiB resident in all",
        begun.elapsed(),
        resident_mib(&sandbox)
    );

    let page = sandbox
        .proxy(Method::GET, "/")
        .header("accept", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(
        page.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert!(
        page.headers().contains_key("content-security-policy"),
        "the agent's own policy passes"
    );
    let page = page.text().await.unwrap();
    assert!(page.contains("data-openclaw-control-ui-base-path"), "{page}");
    let script = page
        .split("src=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap()
        .trim_start_matches('.');
    let script = sandbox
        .proxy(Method::GET, script)
        .header(header::ACCEPT_ENCODING, "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(script.status(), StatusCode::OK);
    assert!(
        script.headers()["content-type"]
            .to_str()
            .unwrap()
            .contains("javascript")
    );

    let (_operator, hello) = Operator::connect(&sandbox).await;
    assert_eq!(hello["ok"], true, "{hello}");
    assert_eq!(hello["payload"]["type"], "hello-ok");
    let scopes = hello["payload"]["auth"]["scopes"].to_string();
    assert!(
        scopes.contains("operator.admin"),
        "the owner administers his own agent: {scopes}"
    );

    let kept: Value =
        serde_json::from_slice(&std::fs::read(sandbox.home().join(".openclaw/openclaw.json")).unwrap()).unwrap();
    assert_eq!(
        (
            kept["logging"]["level"].as_str(),
            kept["gateway"]["auth"]["mode"].as_str()
        ),
        (Some("info"), Some("trusted-proxy"))
    );
    let version = sandbox
        .run(crate::support::shell("cli", "openclaw --version && node --version"))
        .await;
    assert!(
        version.stdout.starts_with("OpenClaw "),
        "its command line works for commands: {version:?}"
    );

    let begun = Instant::now();
    assert_eq!(sandbox.stop().await.code(), Some(0));
    println!("stopped after {:?}; pid was {:?}", begun.elapsed(), status.agent_pid);
}

/// The Control UI of the owner, in a browser that has no device key.
pub struct Operator {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    asked: u32,
}

impl Operator {
    /// Opens its page for the build that the gateway takes, and connects; with the answer to that.
    pub async fn connect(sandbox: &Sandbox) -> (Self, Value) {
        let page = sandbox.proxy(Method::GET, "/").header("accept", "text/html");
        let page = page.send().await.unwrap().text().await.unwrap();
        // What follows the last dash is a hash of the page's files.
        let build = page
            .split("data-openclaw-control-ui-build-id=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap();
        let mut request = format!("ws://{}", sandbox.proxy_address("/"))
            .into_client_request()
            .unwrap();
        for (name, value) in [
            (header::USER, OWNER),
            (header::CLIENT_IP, "203.0.113.7"),
            (header::PROTO, "https"),
            (header::HOST, "agent.example"),
            ("origin", "https://agent.example"),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let (socket, _) = connect_async(request).await.unwrap();
        let mut operator = Self { socket, asked: 0 };
        assert_eq!(operator.frame().await.unwrap()["event"], "connect.challenge");
        let hello = operator
            .call(
                "connect",
                json!({
                    "minProtocol": 3, "maxProtocol": 4, "role": "operator", "caps": [],
                    "client": {
                        "id": "openclaw-control-ui", "version": "1.0.0", "platform": "web", "mode": "webchat",
                        "buildId": build.rsplit_once('-').unwrap().0,
                    },
                    "scopes": ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"],
                }),
            )
            .await;
        (operator, hello)
    }

    /// Sends a request and returns the answer as it came.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = format!("c{}", self.asked);
        // In the order in which the page writes it.
        let request = format!(r#"{{"type":"req","id":"{id}","method":"{method}","params":{params}}}"#);
        self.socket.send(Message::text(request)).await.unwrap();
        loop {
            let frame = self.frame().await.unwrap();
            if frame["type"] == "res" && frame["id"] == id.as_str() {
                return frame;
            }
        }
    }

    /// The code with which the socket is closed.
    pub async fn closed(mut self) -> Option<u16> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Close(close))) => return close.map(|close| close.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    async fn frame(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await?.ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }
}
