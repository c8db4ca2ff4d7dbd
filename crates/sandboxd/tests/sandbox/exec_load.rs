//! Many commands at once, much output, limits, and how long a command takes that does nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use molt_common::control::ExecState;
use nix::unistd::{Pid, Uid};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Sandbox, error_of, eventually, request, shell};

#[tokio::test]
async fn sixty_four_at_once_have_their_own_output_each_and_the_129th_has_to_wait() {
    let sandbox = Sandbox::ready().await;
    let command = |index: usize| {
        format!(
            "i=0; while [ $i -lt 50 ]; do echo out-{index}-$i; echo err-{index}-$i >&2; i=$((i+1)); done; exit {}",
            index % 100
        )
    };
    let requests: Vec<_> = (0..64)
        .map(|index| shell(&format!("c{index}"), &command(index)))
        .collect();
    let reports = futures_util::future::join_all(requests.iter().map(|request| async {
        sandbox.start_exec(request).await;
        sandbox.exec_ended(&request.exec_id).await
    }))
    .await;
    for (index, report) in reports.iter().enumerate() {
        let lines = |name: &str| {
            (0..50)
                .map(|line| format!("{name}-{index}-{line}\n"))
                .collect::<String>()
        };
        assert_eq!(report.exit_code, Some(index as i32 % 100));
        assert!(
            report.stdout == lines("out") && report.stderr == lines("err"),
            "{index}"
        );
    }

    let waiting: Vec<_> = (0..128)
        .map(|index| shell(&format!("w{index}"), "while [ ! -e go ]; do sleep 0.2; done"))
        .collect();
    futures_util::future::join_all(waiting.iter().map(|request| sandbox.start_exec(request))).await;
    let (status, error) = error_of(sandbox.post_exec(&shell("one-more", "true")).await).await;
    assert_eq!((status, error.code.as_str()), (StatusCode::TOO_MANY_REQUESTS, "busy"));
    assert_eq!(
        sandbox.start_exec(&waiting[5]).await.state,
        ExecState::Running,
        "what runs is still known"
    );
    std::fs::write(sandbox.home().join("go"), "").unwrap();
    for request in &waiting {
        assert_eq!(sandbox.exec_ended(&request.exec_id).await.exit_code, Some(0));
    }
    assert_eq!(sandbox.run(shell("one-more", "true")).await.exit_code, Some(0));
}

/// Resident memory of a process in bytes.
fn resident(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn memory_stays_flat_under_a_flood_of_output() {
    let sandbox = Sandbox::ready().await;
    sandbox
        .start_exec(&request(
            json!({ "execId": "yes", "argv": ["yes"], "timeoutMs": 120_000, "maxOutputBytes": 262_144 }),
        ))
        .await;
    let written = |bytes: u64| {
        let sandbox = &sandbox;
        async move {
            eventually(|| async { (sandbox.exec_now("yes").await.stdout_bytes > bytes).then_some(()) }).await;
        }
    };
    written(50 << 20).await;
    let (shim, serve) = (sandbox.shim_pid(), sandbox.serve_pid());
    let early = (resident(shim), resident(serve));
    written(1 << 30).await;
    let late = (resident(shim), resident(serve));
    println!(
        "resident after 50 MiB and 1 GiB: shim {} and {}, serve {} and {}",
        early.0, late.0, early.1, late.1
    );
    assert!(
        late.0 < early.0 + (8 << 20) && late.1 < early.1 + (16 << 20),
        "{early:?} {late:?}"
    );
    sandbox.control(Method::DELETE, "/v1/exec/yes").send().await.unwrap();
    let report = sandbox.exec_ended("yes").await;
    assert_eq!((report.state, report.truncated), (ExecState::Cancelled, true));
}

#[tokio::test]
async fn limits_are_the_kernels_and_the_end_says_which() {
    let sandbox = Sandbox::ready().await;
    let run = async |id: &str, command: &str, limits: serde_json::Value| {
        sandbox
            .run(request(json!({ "execId": id, "command": command, "limits": limits })))
            .await
    };
    let shown = run("shown", "ulimit -v; ulimit -n; ulimit -f; ulimit -t; ulimit -u 2>&- || ulimit -p",
        json!({ "memoryBytes": 1_073_741_824, "openFiles": 50, "fileBytes": 512_000, "cpuSeconds": 9, "processes": 900 })).await;
    assert_eq!(
        shown.stdout.split_whitespace().collect::<Vec<_>>(),
        ["1048576", "50", "1000", "9", "900"]
    );
    let default = run("default", "ulimit -u 2>&- || ulimit -p", json!({})).await;
    assert_eq!(default.stdout.trim(), "1024");
    let memory = run(
        "memory",
        "exec perl -e '$x = \"x\" x (900 << 20)'",
        json!({ "memoryBytes": 268_435_456 }),
    )
    .await;
    assert_eq!(memory.state, ExecState::Failed);
    assert!(
        !memory.error.as_deref().unwrap_or_default().contains("memory ran out"),
        "the kernel killed nothing"
    );
    let cpu = run("cpu", "while :; do :; done", json!({ "cpuSeconds": 1 })).await;
    assert_eq!((cpu.state, cpu.signal), (ExecState::Failed, Some(24)));
    let file = run(
        "file",
        "exec head -c 100000 /dev/zero > big",
        json!({ "fileBytes": 1000 }),
    )
    .await;
    assert_eq!((file.state, file.signal), (ExecState::Failed, Some(25)));
}

#[tokio::test]
async fn another_user_is_another_user() {
    if !Uid::effective().is_root() {
        println!("needs root");
        return;
    }
    let sandbox = Sandbox::ready().await;
    let start = json!({ "execId": "other", "uid": 4_712, "cwd": "/tmp", "command":
        "id -u; id -g; id -G; echo $USER; touch $HOME/x && echo wrote; kill -9 $PPID && echo killed; grep -E 'CapEff|NoNewPrivs' /proc/self/status" });
    let report = sandbox.run(request(start)).await;
    let lines: Vec<&str> = report.stdout.lines().collect();
    assert_eq!(lines[..4], ["4712", "1000", "1000", "4712"]);
    assert_eq!(lines.len(), 6, "neither wrote nor killed: {lines:?}");
    assert!(lines[4].ends_with("0000000000000000") && lines[5].ends_with('1'));
}

#[tokio::test]
async fn a_command_that_does_nothing_takes_a_moment() {
    let sandbox = Sandbox::ready().await;
    let mut through = Vec::new();
    for index in 0..30 {
        let id = format!("t{index}");
        let begun = Instant::now();
        sandbox
            .start_exec(&request(json!({ "execId": id, "argv": ["true"] })))
            .await;
        assert_eq!(sandbox.exec_ended(&id).await.exit_code, Some(0));
        through.push(begun.elapsed());
    }
    let mut direct: Vec<Duration> = (0..30)
        .map(|_| {
            let begun = Instant::now();
            assert!(Command::new("true").status().unwrap().success());
            begun.elapsed()
        })
        .collect();
    through.sort_unstable();
    direct.sort_unstable();
    println!(
        "true: {:?} median, {:?} most; directly {:?}, {:?}",
        through[15], through[29], direct[15], direct[29]
    );
    // A wait for pipes that are closed already, or for a next look at something, would show in every one.
    assert!(through[15] < Duration::from_millis(200), "{through:?}");
}

/// A control group with little memory for one sandbox; nothing where this machine lets us make none.
struct SmallGroup(std::path::PathBuf);

impl SmallGroup {
    fn make() -> Option<Self> {
        let name = format!("sandboxd-test-{}", std::process::id());
        for (base, limit) in [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ] {
            let group = Self(std::path::Path::new(base).join(&name));
            if std::fs::create_dir(&group.0).is_ok() && std::fs::write(group.0.join(limit), "134217728").is_ok() {
                return Some(group);
            }
        }
        None
    }
}

impl Drop for SmallGroup {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::fs::remove_dir(&self.0).is_err() && self.0.exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[tokio::test]
async fn a_command_that_the_kernel_kills_for_want_of_memory_says_so_and_another_kill_does_not() {
    let Some(group) = SmallGroup::make() else {
        println!("needs a control group of its own");
        return;
    };
    let sandbox = Sandbox::ready().await;
    for pid in [sandbox.init_pid(), sandbox.serve_pid()] {
        std::fs::write(group.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
    let hog = sandbox
        .run(request(
            json!({ "execId": "hog", "argv": ["perl", "-e", "$x = \"x\" x (600 << 20)"] }),
        ))
        .await;
    assert_eq!(
        (hog.state, hog.exit_code, hog.signal),
        (ExecState::Failed, None, Some(9))
    );
    assert!(hog.error.as_ref().unwrap().starts_with("memory ran out"), "{hog:?}");
    let killed = sandbox.run(shell("killed", "kill -9 $$")).await;
    assert_eq!(killed.signal, Some(9));
    assert!(
        !killed.error.as_deref().unwrap().contains("memory"),
        "nobody ran out of it this time"
    );
    drop(sandbox);
}
