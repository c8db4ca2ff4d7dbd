//! What commands and the agent can learn about the supervisor: nothing.

use std::os::unix::fs::PermissionsExt;

use nix::unistd::Uid;

use crate::support::{OWNER, Sandbox, TOKEN, cmdline, shell, tree};

#[tokio::test]
async fn the_environment_of_commands_and_agent_is_built_from_nothing() {
    let sandbox = Sandbox::ready().await;
    let environment = sandbox.run(shell("env", "env")).await.stdout;
    assert!(environment.contains("HOME=") && environment.contains("PATH="));
    let agent = sandbox.status().await.agent_pid.unwrap();
    let of_agent = std::fs::read_to_string(format!("/proc/{agent}/environ")).unwrap();
    for text in [environment, of_agent] {
        for absent in ["MOLT_", TOKEN, OWNER, "LEAK_CANARY", "SANDBOXD_"] {
            assert!(!text.contains(absent), "{absent} in {text}");
        }
    }
}

#[tokio::test]
async fn the_supervisors_memory_and_files_are_closed_to_commands() {
    let sandbox = Sandbox::ready().await;
    let supervisors: Vec<_> = tree(sandbox.init_pid())
        .into_iter()
        .filter(|pid| ["serve", "run-agent"].iter().any(|role| cmdline(*pid).contains(role)))
        .chain([sandbox.init_pid()])
        .collect();
    assert_eq!(supervisors.len(), 3);
    for pid in supervisors {
        for (name, command) in [("environ", "cat"), ("mem", "cat"), ("maps", "cat"), ("fd", "ls")] {
            let report = sandbox
                .run(shell(
                    &format!("read-{pid}-{name}"),
                    &format!("{command} /proc/{pid}/{name}"),
                ))
                .await;
            assert_ne!(report.exit_code, Some(0), "{pid} {name}");
            assert!(
                report.stderr.contains("Permission denied"),
                "{pid} {name}: {}",
                report.stderr
            );
        }
    }
    let mode = std::fs::metadata(sandbox.state_dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    if Uid::effective().is_root() {
        let report = sandbox
            .run(shell("state", &format!("ls {}", sandbox.state_dir().display())))
            .await;
        assert!(report.stderr.contains("Permission denied"), "{report:?}");
    }
}

#[tokio::test]
async fn no_secret_is_in_an_argument_a_log_line_or_the_journal() {
    let sandbox = Sandbox::ready().await;
    let request = crate::support::request(serde_json::json!({
        "execId": "secretive", "command": "cat > /dev/null", "stdin": "stdin-secret", "env": { "KEY": "env-secret" },
    }));
    sandbox.run(request).await;
    for pid in tree(sandbox.init_pid()).into_iter().chain([sandbox.init_pid()]) {
        assert!(!cmdline(pid).contains(TOKEN), "{}", cmdline(pid));
    }
    assert!(!sandbox.log().contains(TOKEN));
    for entry in std::fs::read_dir(sandbox.state_dir().join("exec/secretive"))
        .unwrap()
        .flatten()
    {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        assert!(!text.contains("-secret"), "{}", entry.path().display());
    }
}
