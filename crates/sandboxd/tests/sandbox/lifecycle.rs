//! Start, stop and the death of parts of the supervisor.

use std::time::{Duration, Instant};

use molt_common::control::{ExecState, SupervisorPhase};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, StatusCode};

use crate::support::{Sandbox, cmdline, error_of, eventually, is_alive, shell, tree};

#[tokio::test]
async fn term_ends_everything_and_leaves_no_process() {
    let sandbox = Sandbox::ready().await;
    sandbox
        .start_exec(&shell("long", "trap '' HUP; sleep 300 & setsid sleep 300 & sleep 300"))
        .await;
    let processes = eventually(|| async {
        let processes = tree(sandbox.init_pid());
        (processes
            .iter()
            .filter(|pid| cmdline(**pid).contains("sleep 300"))
            .count()
            >= 3)
            .then_some(processes)
    })
    .await;
    let begun = Instant::now();
    assert_eq!(sandbox.stop().await.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10));
    for pid in processes {
        assert!(!is_alive(pid), "{pid} {}", cmdline(pid));
    }
}

#[tokio::test]
async fn an_agent_that_does_not_answer_term_is_killed() {
    let sandbox = Sandbox::with(&["--agent-stop-grace-ms", "700"]).await;
    let agent = Pid::from_raw(sandbox.status().await.agent_pid.unwrap() as i32);
    kill(agent, Signal::SIGSTOP).unwrap();
    let begun = Instant::now();
    assert_eq!(sandbox.stop().await.code(), Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(700), "it had its grace");
    assert!(!is_alive(agent));
}

#[tokio::test]
async fn a_second_term_does_not_wait() {
    let sandbox = Sandbox::ready().await;
    kill(
        Pid::from_raw(sandbox.status().await.agent_pid.unwrap() as i32),
        Signal::SIGSTOP,
    )
    .unwrap();
    kill(sandbox.init_pid(), Signal::SIGTERM).unwrap();
    sandbox.phase(SupervisorPhase::Stopping).await;
    let begun = Instant::now();
    assert_eq!(sandbox.stop().await.code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "the agent's 20 s were not waited for"
    );
}

#[tokio::test]
async fn a_stop_is_said_and_takes_no_new_work() {
    let sandbox = Sandbox::ready().await;
    sandbox
        .start_exec(&shell(
            "stubborn",
            "trap '' TERM; touch up; while true; do sleep 0.1; done",
        ))
        .await;
    eventually(|| async { sandbox.home().join("up").exists().then_some(()) }).await;
    kill(sandbox.init_pid(), Signal::SIGTERM).unwrap();
    sandbox.phase(SupervisorPhase::Stopping).await;
    let (status, error) = error_of(sandbox.post_exec(&shell("new", "true")).await).await;
    assert_eq!(
        (status, error.code.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    );
    let answer = sandbox.proxy(Method::GET, "/").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let report = sandbox.exec_ended("stubborn").await;
    assert_eq!((report.state, report.signal), (ExecState::Cancelled, Some(9)));
}

#[tokio::test]
async fn serve_is_restarted_in_the_same_boot_and_the_agent_never_notices() {
    let sandbox = Sandbox::ready().await;
    let before = sandbox.status().await;
    let killed = sandbox.serve_pid();
    kill(killed, Signal::SIGKILL).unwrap();
    eventually(|| async { (!is_alive(killed)).then_some(()) }).await;
    let after = sandbox.phase(SupervisorPhase::Ready).await;
    assert_ne!(sandbox.serve_pid(), killed);
    assert_eq!(
        (after.boot_id, after.agent_pid, after.agent_restarts),
        (before.boot_id, before.agent_pid, 0)
    );
    assert_eq!(after.log_tail, before.log_tail, "the agent's lines are not lost");
    assert_eq!(
        sandbox.proxy(Method::GET, "/").send().await.unwrap().status(),
        StatusCode::OK
    );
    kill(Pid::from_raw(after.agent_pid.unwrap() as i32), Signal::SIGKILL).unwrap();
    let failed = sandbox.phase(SupervisorPhase::Failed).await;
    assert!(
        failed.cause.unwrap().starts_with("signal 9"),
        "the end of an adopted agent is seen"
    );
}

#[tokio::test]
async fn results_survive_the_death_of_serve() {
    let sandbox = Sandbox::ready().await;
    let early = sandbox.run(shell("early", "echo before; exit 5")).await;
    let going = shell(
        "going",
        "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two; exit 6",
    );
    sandbox.start_exec(&going).await;
    sandbox
        .start_exec(
            &shell("during", "while [ -e /proc/$SERVE ]; do sleep 0.02; done; exit 9")
                .with_env("SERVE", sandbox.serve_pid()),
        )
        .await;
    kill(sandbox.serve_pid(), Signal::SIGKILL).unwrap();

    let during = sandbox.exec_ended("during").await;
    assert_eq!(
        (during.state, during.exit_code),
        (ExecState::Failed, Some(9)),
        "it ended while nobody served"
    );
    assert_eq!(sandbox.exec_now("early").await, early);
    let running = sandbox.exec_now("going").await;
    assert_eq!((running.state, running.stdout.as_str()), (ExecState::Running, "one\n"));
    assert_eq!(
        sandbox.start_exec(&going).await.state,
        ExecState::Running,
        "the id is still known"
    );
    std::fs::write(sandbox.home().join("go"), "").unwrap();
    let report = sandbox.exec_ended("going").await;
    assert_eq!(
        (report.state, report.exit_code, report.stdout.as_str()),
        (ExecState::Failed, Some(6), "one\ntwo\n")
    );
}

#[tokio::test]
async fn a_command_whose_watcher_was_killed_is_lost_and_does_not_go_on() {
    let sandbox = Sandbox::ready().await;
    sandbox
        .start_exec(&shell("orphan", "echo $$ > pid; exec sleep 300"))
        .await;
    let sleeper = eventually(|| async {
        tree(sandbox.init_pid())
            .into_iter()
            .find(|pid| cmdline(*pid).starts_with("sleep 300"))
    })
    .await;
    let shim = *tree(sandbox.init_pid())
        .iter()
        .find(|pid| cmdline(**pid).contains("run-command"))
        .unwrap();
    kill(shim, Signal::SIGKILL).unwrap();
    let report = sandbox.exec_ended("orphan").await;
    assert_eq!(
        (report.state, report.exit_code, report.signal),
        (ExecState::Lost, None, None)
    );
    assert!(report.error.is_some());
    eventually(|| async { (!is_alive(sleeper)).then_some(()) }).await;
}

#[tokio::test]
async fn orphans_are_reaped() {
    let sandbox = Sandbox::ready().await;
    sandbox
        .run(shell(
            "orphans",
            "for i in 1 2 3 4 5; do setsid sh -c 'sleep 0.2' > /dev/null 2>&1 & done; sleep 0.1",
        ))
        .await;
    eventually(|| async {
        let zombies = tree(sandbox.init_pid())
            .into_iter()
            .filter(|pid| !is_alive(*pid))
            .count();
        let sleepers = tree(sandbox.init_pid())
            .into_iter()
            .filter(|pid| cmdline(*pid).contains("sleep 0.2"))
            .count();
        (zombies + sleepers == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn init_refuses_an_incomplete_environment() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sandboxd"))
        .arg("init")
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("MOLT_"),
        "it names what is missing"
    );
}

trait WithEnv {
    fn with_env(self, name: &str, value: impl ToString) -> Self;
}

impl WithEnv for molt_common::control::ExecStart {
    fn with_env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.insert(name.to_owned(), value.to_string());
        self
    }
}
