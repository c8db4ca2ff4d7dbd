//! What an agent is handed besides its configuration: by whom it is held, when it counts, and what becomes of its document.

use std::path::Path;

use molt_common::control::provider::{ProvidersView, TOKEN_VARIABLE};
use molt_common::control::{ControlError, SupervisorPhase, SupervisorStatus, env};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Sandbox, cmdline, eventually, shell, tree};

const WAITS: [(&str, &str); 1] = [(env::PROVIDERS, "wait")];
/// The token of a start and of a channel, which nothing else in a sandbox contains.
const TOKEN: &str = "provider-token-kQ9";
const CHANNEL: &str = "channel-token-kQ9";

fn order(id: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut order = json!({
        "id": id, "token": TOKEN, "defaultModel": "openai/one", "secrets": {"TELEGRAM_BOT_TOKEN": CHANNEL},
        "providers": [{
            "id": "openai", "dialect": "openai", "baseUrl": "http://providers.molt.internal/_molt/providers/openai/v1", "models": [{"id": "one"}],
        }],
    });
    change(&mut order);
    order
}

async fn hand(sandbox: &Sandbox, order: &Value) -> ProvidersView {
    let answer = eventually(|| async {
        let asked = sandbox.control(Method::PUT, "/v1/providers/handed").json(order);
        asked.send().await.ok()
    })
    .await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

async fn restart(sandbox: &Sandbox, id: &str) -> SupervisorStatus {
    let asked = sandbox
        .control(Method::POST, "/v1/agent/restart")
        .json(&json!({ "id": id }));
    assert_eq!(asked.send().await.unwrap().status(), StatusCode::ACCEPTED);
    sandbox
        .status_where(|status| {
            let done = |restart: &molt_common::control::AgentRestart| restart.done && restart.id == id;
            status.phase == SupervisorPhase::Ready && status.restart.as_ref().is_some_and(done)
        })
        .await
}

fn file(sandbox: &Sandbox) -> Value {
    let text = std::fs::read_to_string(sandbox.home().join(".openclaw/openclaw.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Processes of the sandbox in whose environment this stands; those of nobody else's user are read too, as root.
fn holders(sandbox: &Sandbox, text: &str) -> Vec<Pid> {
    let all = tree(sandbox.init_pid()).into_iter().chain([sandbox.init_pid()]);
    all.filter(|pid| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environ).contains(text)
    })
    .collect()
}

/// Files below a folder that contain this.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files_with(&entry.path(), text));
        } else if kind.is_file()
            && String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default()).contains(text)
        {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

#[tokio::test]
async fn the_agents_process_alone_has_it_and_waits_for_it() {
    let sandbox = Sandbox::start_with_vars("echo", &WAITS, |_| ());
    let waiting = sandbox
        .status_where(|status| status.providers.as_ref().is_some_and(|providers| providers.waits))
        .await;
    assert_eq!(waiting.agent_pid, None);
    let view = hand(&sandbox, &order("3-a", |_| ())).await;
    assert_eq!((view.waits, view.handed.as_deref()), (false, Some("3-a")));
    let status = sandbox.phase(SupervisorPhase::Ready).await;
    assert_eq!(status.providers.unwrap().taken.as_deref(), Some("3-a"));
    let agent = Pid::from_raw(status.agent_pid.unwrap() as i32);
    // While a command runs, so that its shim and itself are looked at too.
    sandbox.run(shell("env", "env; cat /proc/self/cmdline")).await;
    for text in [
        format!("{TOKEN_VARIABLE}={TOKEN}"),
        format!("TELEGRAM_BOT_TOKEN={CHANNEL}"),
    ] {
        assert_eq!(holders(&sandbox, &text), [agent], "{text}");
        let shown = sandbox.run(shell(&format!("env-{}", text.len()), "env")).await.stdout;
        assert!(shown.contains("HOME=") && !shown.contains(&text));
    }
    for secret in [TOKEN, CHANNEL] {
        for pid in tree(sandbox.init_pid()).into_iter().chain([sandbox.init_pid()]) {
            assert!(!cmdline(pid).contains(secret), "{}", cmdline(pid));
        }
        assert!(!sandbox.log().contains(secret));
        assert_eq!(files_with(&sandbox.home(), secret), [""; 0]);
        // Noted for the next serve of this boot, where only root reads.
        assert_eq!(files_with(&sandbox.state_dir(), secret), ["providers-handed.json"]);
    }
    let read = sandbox
        .run(shell(
            "note",
            &format!("cat {}/agent/providers-handed.json", sandbox.state_dir().display()),
        ))
        .await;
    assert_ne!(read.exit_code, Some(0));
}

#[tokio::test]
async fn a_new_one_counts_from_the_agents_next_start_and_a_new_serve_still_has_it() {
    let sandbox = Sandbox::start_with_vars("echo", &WAITS, |_| ());
    hand(&sandbox, &order("3-a", |_| ())).await;
    sandbox.phase(SupervisorPhase::Ready).await;
    let later = order("3-b", |order| {
        order["secrets"]["TELEGRAM_BOT_TOKEN"] = "channel-token-new".into()
    });
    let view = hand(&sandbox, &later).await;
    assert_eq!(
        (view.handed.as_deref(), view.taken.as_deref()),
        (Some("3-b"), Some("3-a"))
    );
    assert!(holders(&sandbox, "channel-token-new").is_empty());
    let serve = tree(sandbox.init_pid())
        .into_iter()
        .find(|pid| cmdline(*pid).contains(" serve"));
    let agent = sandbox.status().await.agent_pid;
    kill(serve.expect("serve"), Signal::SIGKILL).unwrap();
    let again = sandbox
        .status_where(|status| status.phase == SupervisorPhase::Ready && status.agent_pid == agent)
        .await;
    assert_eq!(*again.providers.unwrap(), view);
    let after = restart(&sandbox, "r1").await;
    assert_eq!(after.providers.unwrap().taken.as_deref(), Some("3-b"));
    assert_eq!(holders(&sandbox, "channel-token-new").len(), 1);
    assert!(holders(&sandbox, CHANNEL).is_empty());
}

#[tokio::test]
async fn what_is_offered_is_in_the_document_and_not_the_users() {
    let sandbox = Sandbox::start_with_vars("echo", &WAITS, |home| {
        std::fs::create_dir(home.join(".openclaw")).unwrap();
        let mine = json!({"models": {"providers": {"mine": {"baseUrl": "https://mine.example", "models": []}, "openai": {"baseUrl": "https://mine.example"}}}});
        std::fs::write(home.join(".openclaw/openclaw.json"), mine.to_string()).unwrap();
    });
    hand(&sandbox, &order("3-a", |_| ())).await;
    sandbox.phase(SupervisorPhase::Ready).await;
    let disk = file(&sandbox);
    assert_eq!(
        disk["models"]["providers"]["openai"]["apiKey"],
        "${MOLT_PROVIDER_TOKEN}"
    );
    assert_eq!(
        disk["models"]["providers"]["openai"]["baseUrl"],
        "http://providers.molt.internal/_molt/providers/openai/v1"
    );
    assert_eq!(disk["agents"]["defaults"]["model"]["primary"], "openai/one");
    let user = async || -> Value {
        let answer = sandbox.control(Method::GET, "/v1/config").send().await.unwrap();
        answer.json::<Value>().await.unwrap()["document"].clone()
    };
    let mine = json!({"models": {"providers": {"mine": {"baseUrl": "https://mine.example", "models": []}}}});
    assert_eq!(user().await, mine);
    let edit = async |patch: Value| {
        let body = json!({"change": {"change": "patch", "patch": patch}});
        sandbox
            .control(Method::PUT, "/v1/config")
            .json(&body)
            .send()
            .await
            .unwrap()
    };
    let refused = edit(json!({"models": {"providers": {"openai": {"headers": {"x": "y"}}}}})).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(
        refused
            .json::<ControlError>()
            .await
            .unwrap()
            .error
            .contains("models.providers.openai")
    );
    // The same model as the default, but chosen: it stays when the default is another one.
    assert_eq!(
        edit(json!({"agents": {"defaults": {"model": {"primary": "openai/one"}}}}))
            .await
            .status(),
        StatusCode::OK
    );
    assert_eq!(user().await["agents"]["defaults"]["model"]["primary"], "openai/one");
    hand(
        &sandbox,
        &order("3-b", |order| order["defaultModel"] = "openai/two".into()),
    )
    .await;
    restart(&sandbox, "r1").await;
    assert_eq!(file(&sandbox)["agents"]["defaults"]["model"]["primary"], "openai/one");
    // Given back, the default counts at once; without an offer nothing of it is left.
    assert_eq!(edit(json!({"agents": null})).await.status(), StatusCode::OK);
    assert_eq!(file(&sandbox)["agents"]["defaults"]["model"]["primary"], "openai/two");
    assert_eq!(user().await, mine);
    let nothing = order("3-c", |order| {
        order["providers"] = json!([]);
        order["defaultModel"] = Value::Null;
    });
    hand(&sandbox, &nothing).await;
    restart(&sandbox, "r2").await;
    assert_eq!(
        (file(&sandbox)["models"].clone(), file(&sandbox).get("agents")),
        (mine["models"].clone(), None)
    );
    assert_eq!(user().await, mine);
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_without_its_words() {
    let sandbox = Sandbox::ready().await;
    let bad = [
        order("a b", |_| ()),
        order("3-a", |order| {
            order["providers"][0]["baseUrl"] = "https://api.openai.com/v1".into()
        }),
        order("3-a", |order| order["secrets"]["LD_PRELOAD"] = "secret-kQ9".into()),
        order("3-a", |order| order["token"] = json!({"secret-kQ9": 1})),
        order("3-a", |order| order["secrets"] = "secret-kQ9".into()),
    ];
    for order in bad {
        let asked = sandbox.control(Method::PUT, "/v1/providers/handed").json(&order);
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{order}");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("kQ9"), "{text}");
    }
    assert_eq!(*sandbox.status().await.providers.unwrap(), ProvidersView::default());
}
