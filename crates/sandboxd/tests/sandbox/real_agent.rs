//! The real agent behind the proxy. It takes 836 MB on disk, so this runs only where somebody has installed it:
//! `images/sandbox/install DIR && SANDBOXD_TEST_OPENCLAW=DIR cargo test -p sandboxd -- --ignored`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use molt_common::control::{SupervisorPhase, header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{OWNER, Sandbox, tree};

/// Its own document, with a key that has to survive and one that must not.
const DOCUMENT: &str = "// mine\n{ logging: { level: 'info' }, gateway: { auth: { mode: 'none' } } }";

fn resident_mib(sandbox: &Sandbox) -> u64 {
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
    let installed =
        PathBuf::from(std::env::var_os("SANDBOXD_TEST_OPENCLAW").expect("SANDBOXD_TEST_OPENCLAW is not set"));
    let begun = Instant::now();
    let node_bin = installed.join("node_modules/node/bin");
    let args = [
        "--openclaw-dir",
        installed.to_str().unwrap(),
        "--node-bin",
        node_bin.to_str().unwrap(),
    ];
    let sandbox = Sandbox::of_with("openclaw", &args, |home| {
        std::fs::create_dir(home.join(".openclaw")).unwrap();
        std::fs::write(home.join(".openclaw/openclaw.json"), DOCUMENT).unwrap();
    });
    let status = loop {
        let status = sandbox
            .status_where(|status| status.phase != SupervisorPhase::Configure)
            .await;
        assert_ne!(status.phase, SupervisorPhase::Failed, "{:?}", status.cause);
        if status.phase == SupervisorPhase::Ready {
            break status;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "not ready: {:?}",
            status.log_tail
        );
        tokio::task::yield_now().await;
    };
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

    // The gateway takes the page of its own build only. What follows the last dash is a hash of the page's files.
    let build = page
        .split("data-openclaw-control-ui-build-id=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    let hello = connect(&sandbox, build.rsplit_once('-').unwrap().0).await;
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

/// The handshake of the Control UI of a browser that has no device key.
async fn connect(sandbox: &Sandbox, build: &str) -> Value {
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
    let (mut socket, _) = connect_async(request).await.unwrap();
    let challenge = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let challenge: Value = serde_json::from_str(&challenge).unwrap();
    assert_eq!(challenge["event"], "connect.challenge");
    let connect = json!({
        "type": "req", "id": "c1", "method": "connect",
        "params": {
            "minProtocol": 3, "maxProtocol": 4, "role": "operator", "caps": [],
            "client": { "id": "openclaw-control-ui", "version": "1.0.0", "platform": "web", "mode": "webchat", "buildId": build },
            "scopes": ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"],
        },
    });
    socket.send(Message::text(connect.to_string())).await.unwrap();
    loop {
        let frame = socket.next().await.unwrap().unwrap();
        let Message::Text(text) = frame else {
            panic!("{frame:?}")
        };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame["type"] == "res" {
            return frame;
        }
    }
}
