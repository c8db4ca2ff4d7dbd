//! The image boots: the supervisor as root, the real agent as an ordinary user, traffic for the owner alone, and an orderly end.

use crate::docker::{Container, Docker};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TAG: &str = "moltworker-sandbox:test";
const OWNER: &str = "ada00000-0000-4000-8000-000000000001";
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// The agent needs ten seconds on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_secs(180);

/// `curl` inside: status and body.
fn ask(container: &Container, url: &str, options: &[&str]) -> (u16, String) {
    let output = container.inside(&[&["curl", "-sS", "-m", "20", "-w", "\n%{http_code}"], options, &[url]].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
    (status.parse().unwrap_or(0), body.to_owned())
}

fn control(container: &Container, path: &str, options: &[&str]) -> (u16, Value) {
    let authorization = format!("authorization: Bearer {TOKEN}");
    let url = format!("http://127.0.0.1:8081{path}");
    let (status, body) = ask(container, &url, &[&["-H", &authorization], options].concat());
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

/// Waits until `done` takes an answer of the control API.
fn until(container: &Container, path: &str, done: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, answer) = control(container, path, &[]);
        if done(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{path}: {answer}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn it_boots_serves_its_owner_and_stops() {
    Docker::build(TAG);
    let container = Container::start(
        TAG,
        &[
            ("MOLT_SANDBOX_ID", "u-image-test"),
            ("MOLT_GENERATION", "3"),
            ("MOLT_CONTROL_TOKEN", TOKEN),
            ("MOLT_OWNER", OWNER),
            ("MOLT_PUBLIC_ORIGINS", "https://bot.example.com"),
            ("MOLT_AGENT", "openclaw"),
            ("MOLT_TIER", "1"),
        ],
    );
    let status = until(&container, "/v1/status", |status| status["phase"] == "ready");
    assert_eq!(
        (&status["generation"], &status["agent"]),
        (&json!(3), &json!("openclaw"))
    );

    // Supervisor as root, agent and commands as an ordinary user, and the token in nobody's arguments or environment but that of process 1.
    let processes = container.processes("uid,pid,args");
    assert!(
        processes
            .iter()
            .any(|line| line.starts_with("0 ") && line.ends_with("sandboxd init")),
        "{processes:?}"
    );
    assert!(
        processes
            .iter()
            .any(|line| line.starts_with("1000 ") && line.contains("openclaw")),
        "{processes:?}"
    );
    assert!(!processes.iter().any(|line| line.contains(TOKEN)), "{processes:?}");
    let search = format!("grep -l {TOKEN} /proc/[0-9]*/environ | grep -vx /proc/1/environ | grep -v /proc/self; true");
    let search = container.inside(&["sh", "-c", &search]);
    assert_eq!(String::from_utf8_lossy(&search.stdout).trim(), "");

    // The agent's page for its owner, and for nobody else.
    let headers = |user: &str| {
        let user = format!("x-molt-user: {user}");
        let rest = [
            "x-molt-host: bot.example.com",
            "x-molt-proto: https",
            "x-molt-client-ip: 192.0.2.1",
        ];
        let lines = [user.as_str()].into_iter().chain(rest);
        lines
            .flat_map(|line| ["-H".to_owned(), line.to_owned()])
            .collect::<Vec<_>>()
    };
    let page = |user: &str| {
        let headers = headers(user);
        ask(
            &container,
            "http://127.0.0.1:8080/",
            &headers.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    };
    let (code, body) = page(OWNER);
    assert!(code == 200 && body.contains("<html"), "{code} {body}");
    assert_eq!(page("be000000-0000-4000-8000-000000000002").0, 403);

    let start = json!({"execId": "e1", "command": "id -u; git --version; exit 7", "timeoutMs": 20_000, "maxOutputBytes": 10_000});
    let start = start.to_string();
    let (code, _) = control(
        &container,
        "/v1/exec",
        &["-H", "content-type: application/json", "-d", &start],
    );
    assert_eq!(code, 202);
    let report = until(&container, "/v1/exec/e1", |report| report["state"] == "failed");
    assert_eq!(report["exitCode"], 7);
    let (_, output) = control(
        &container,
        "/v1/exec/e1/output?after=0-0&waitMs=0&waitFor=end&limitBytes=10000",
        &[],
    );
    let piece = STANDARD.decode(output["pieces"][0]["bytes"].as_str().unwrap()).unwrap();
    let said = String::from_utf8(piece).unwrap();
    assert!(said.starts_with("1000\ngit version "), "{said}");

    let began = Instant::now();
    assert_eq!(container.stop(60), "0", "an orderly end");
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
}
