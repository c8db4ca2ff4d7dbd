//! The agent's life under the supervisor.

use std::os::unix::fs::{MetadataExt, symlink};

use molt_common::control::SupervisorPhase;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::{OWNER, Sandbox, shell};

#[tokio::test]
async fn a_crash_is_told_with_its_cause_and_healed() {
    let sandbox = Sandbox::ready().await;
    let before = sandbox.status().await;
    kill(Pid::from_raw(before.agent_pid.unwrap() as i32), Signal::SIGKILL).unwrap();
    let failed = sandbox.phase(SupervisorPhase::Failed).await;
    let cause = failed.cause.unwrap();
    assert!(
        cause.starts_with("signal 9") && cause.contains("echo agent listens"),
        "{cause}"
    );
    assert_eq!(failed.agent_pid, None);
    let healed = sandbox.phase(SupervisorPhase::Ready).await;
    assert_eq!(
        (healed.agent_restarts, &healed.cause, &healed.boot_id),
        (1, &None, &before.boot_id)
    );
    assert_ne!(healed.agent_pid, before.agent_pid);
    assert_eq!(
        sandbox.proxy(Method::GET, "/").send().await.unwrap().status(),
        StatusCode::OK
    );
}

/// A full disk may be why it ended.
#[tokio::test]
async fn a_crash_is_told_with_its_cause_when_the_disk_does_not_take_it() {
    let sandbox = Sandbox::ready().await;
    let partial = sandbox.state_dir().join("agent/result.json.partial");
    symlink("/dev/full", &partial).unwrap();
    let pid = sandbox.status().await.agent_pid.unwrap();
    kill(Pid::from_raw(pid as i32), Signal::SIGKILL).unwrap();
    let cause = sandbox.phase(SupervisorPhase::Failed).await.cause.unwrap();
    assert!(
        cause.starts_with("signal 9") && cause.contains("echo agent listens"),
        "{cause}"
    );
    assert!(partial.symlink_metadata().is_err(), "it was tried");
    sandbox.phase(SupervisorPhase::Ready).await;
}

#[tokio::test]
async fn an_exit_code_is_told_and_the_proxy_says_that_the_agent_is_away() {
    let sandbox = Sandbox::ready().await;
    // The next start takes a while, so that what the proxy says in between can be seen.
    std::fs::write(sandbox.home().join(".echo-start-delay-ms"), "1000").unwrap();
    let _ = sandbox.proxy(Method::POST, "/crash?code=42").send().await;
    let failed = sandbox.phase(SupervisorPhase::Failed).await;
    assert!(failed.cause.unwrap().starts_with("exit code 42"));
    let answer = sandbox.proxy(Method::GET, "/").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "agent_not_ready");
    sandbox.phase(SupervisorPhase::Agent).await;
    sandbox.phase(SupervisorPhase::Ready).await;
}

#[tokio::test]
async fn an_agent_that_never_becomes_ready_is_started_anew() {
    let sandbox = Sandbox::start(&["--echo-start-delay-ms", "600000", "--agent-start-timeout-ms", "700"]);
    let failed = sandbox.phase(SupervisorPhase::Failed).await;
    assert!(failed.cause.unwrap().starts_with("not ready within 700 ms"));
    sandbox
        .status_where(|status| status.agent_restarts >= 1 && status.phase == SupervisorPhase::Agent)
        .await;
}

#[tokio::test]
async fn commands_run_while_the_agent_does_not() {
    let sandbox = Sandbox::start(&["--echo-start-delay-ms", "600000"]);
    sandbox.phase(SupervisorPhase::Agent).await;
    assert_eq!(sandbox.run(shell("early", "echo up")).await.stdout, "up\n");
}

#[tokio::test]
async fn a_missing_program_is_a_cause_too_and_the_configuration_is_there_before_it() {
    let sandbox = Sandbox::of("openclaw", &["--node-bin", "/no/such/folder"]);
    let failed = sandbox.phase(SupervisorPhase::Failed).await;
    assert!(
        failed
            .cause
            .unwrap()
            .starts_with("cannot start /no/such/folder/node: No such file")
    );
    let path = sandbox.home().join(".openclaw/openclaw.json");
    let document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        document["gateway"]["auth"]["trustedProxy"]["allowUsers"],
        serde_json::json!([OWNER])
    );
    let metadata = std::fs::metadata(path).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
    if Uid::effective().is_root() {
        assert_eq!((metadata.uid(), metadata.gid()), (1000, 1000));
    }
}

#[tokio::test]
async fn a_link_in_the_home_leads_the_configuration_nowhere() {
    let sandbox = Sandbox::of("openclaw", &["--node-bin", "/no/such/folder"]);
    sandbox.phase(SupervisorPhase::Failed).await;
    // What an agent could do to make the supervisor write, as root, into a folder that is closed to it.
    let state = sandbox.state_dir();
    let report = sandbox
        .run(shell(
            "link",
            &format!("rm -r .openclaw && ln -s {}/agent .openclaw", state.display()),
        ))
        .await;
    assert_eq!(report.exit_code, Some(0));
    if Uid::effective().is_root() {
        let failed = sandbox
            .status_where(|status| {
                status
                    .cause
                    .as_ref()
                    .is_some_and(|cause| cause.contains("configuration"))
            })
            .await;
        assert_eq!(failed.phase, SupervisorPhase::Failed);
        assert!(!state.join("agent/openclaw.json").exists());
    }
}
