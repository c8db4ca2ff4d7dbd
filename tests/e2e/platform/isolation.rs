//! What a command in a sandbox can see and do. Each test first shows that its way of looking finds what is there.

use e2e_tests::launch::root;
use e2e_tests::people::User;
use e2e_tests::processes;
use e2e_tests::stack::Stack;
use molt_common::control::provider::TOKEN_VARIABLE;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

async fn ada(stack: &Stack) -> User {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    ada
}

async fn script(stack: &Stack, user: &User, script: &str) -> Value {
    let body = json!({"argv": ["bash", "-c", script], "timeoutMs": 90_000, "maxOutputBytes": 524_288});
    let status = stack.exec(user, &body).await;
    assert_eq!(status["exitCode"], 0, "{status}");
    status
}

/// Which of these paths exist for a command.
async fn visible(stack: &Stack, user: &User, paths: &[PathBuf]) -> Vec<String> {
    let list: String = paths.iter().fold(String::new(), |mut list, path| {
        let _ = writeln!(list, "{}", path.display());
        list
    });
    let look = r#"while IFS= read -r path; do if [ -e "$path" ] || [ -L "$path" ]; then echo "$path"; fi; done"#;
    let status = stack
        .exec(user, &json!({"argv": ["bash", "-c", look], "stdin": list}))
        .await;
    assert_eq!(status["exitCode"], 0, "{status}");
    status["stdout"]
        .as_str()
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

pub async fn the_host_is_not_visible(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let below = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).take(200).collect::<Vec<_>>()
    };
    let state = &stack.ready.state_dir;
    let mut paths = vec![
        state.clone(),
        state.join("secrets.json"),
        state.join("workers"),
        root(),
        root().join("Cargo.toml"),
    ];
    paths.extend(stack.ready.engine_socket.clone());
    for folder in [
        "/root", "/home", "/tmp", "/mnt", "/srv", "/boot", "/var/lib", "/etc/ssh", "/run",
    ] {
        paths.extend(below(folder.into()));
    }
    paths.extend(std::env::var_os("HOME").map(PathBuf::from).into_iter().flat_map(below));
    paths.extend(
        [
            "/var/run/docker.sock",
            "/etc/shadow",
            "/dev/sda",
            "/dev/vda",
            "/dev/mem",
            "/dev/kmsg",
        ]
        .map(PathBuf::from),
    );
    // The sandbox has places of its own under these names.
    let own: BTreeSet<&str> = BTreeSet::from(["/home/agent", "/var/lib/molt"]);
    let seen = visible(&stack, &ada, &paths).await;
    let foreign: Vec<&String> = seen.iter().filter(|path| !own.contains(path.as_str())).collect();
    assert!(
        foreign.is_empty(),
        "of {} paths of the host, the sandbox sees {foreign:?}",
        paths.len()
    );
    let control = [PathBuf::from("/usr/bin/env"), "/home/agent".into()];
    assert_eq!(visible(&stack, &ada, &control).await.len(), 2, "the look itself works");

    let write = "for d in / /usr /usr/bin /etc /opt /opt/molt /proc/sys/kernel /sys; do touch $d/mark 2>/dev/null && echo $d; done; true";
    assert_eq!(
        stack.sh(&ada, write).await,
        "",
        "what is not the sandbox's own can be written"
    );
    assert_eq!(stack.sh(&ada, "touch ~/mark /tmp/mark && echo ok").await, "ok\n");
}

pub async fn other_sandboxes_are_not_visible(stack: Arc<Stack>) {
    let (ada, ben) = (ada(&stack).await, stack.seeded("Ben"));
    stack.awake(&ben).await;
    let name = format!("bens-{}", uuid::Uuid::new_v4());
    let seconds = format!("9{}", e2e_tests::people::now());
    let command = stack
        .submit(
            &ben,
            &json!({"command": format!("touch ~/{name} /tmp/{name}; sleep {seconds}"), "timeoutMs": 600_000}),
        )
        .await;
    let (head, last) = seconds.split_at(seconds.len() - 1);
    let look = format!(
        "find / -name '{name}' -not -path '/proc/*' 2>/dev/null; grep -lsz '{head}[{last}]' /proc/[0-9]*/cmdline; \
         find /proc/[0-9]*/root/tmp /proc/[0-9]*/cwd/ -maxdepth 1 -name '{name}' 2>/dev/null; true"
    );
    e2e_tests::wait::until("it sleeps", std::time::Duration::from_secs(30), async || {
        stack.sh(&ben, &look).await.contains("cmdline").then_some(())
    })
    .await;
    assert!(
        stack.sh(&ben, &look).await.contains(&name),
        "the look finds it where it is"
    );
    assert_eq!(stack.sh(&ada, &look).await, "");
    stack.cancel(&command).await;
}

/// TCP ports on which this machine listens on loopback or everywhere.
fn listening() -> BTreeSet<u16> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    rows.filter_map(|row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let (_, port) = fields.get(1)?.rsplit_once(':')?;
        (*fields.get(3)? == "0A").then(|| u16::from_str_radix(port, 16).ok())?
    })
    .collect()
}

/// A server on every address of this machine that greets whoever connects.
async fn canary() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let visitors = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&visitors);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            // A visitor that has gone is counted all the same.
            let _ = stream.write_all(b"welcome to the host\r\n").await;
        }
    });
    (port, visitors)
}

/// To connect is not enough: the sandbox's way to the internet takes every connection and then refuses what is not public.
pub async fn the_hosts_network_is_closed(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let (canary, visitors) = canary().await;
    let mut greeting = String::new();
    let stream = TcpStream::connect(("127.0.0.1", canary)).await.expect("it listens");
    BufReader::new(stream).read_line(&mut greeting).await.expect("a line");
    assert_eq!(
        (greeting.as_str(), visitors.load(Ordering::SeqCst)),
        ("welcome to the host\r\n", 1)
    );

    // The sandbox listens on the three left out itself.
    let ports = listening()
        .into_iter()
        .filter(|port| ![8080, 8081, 18789].contains(port));
    let ports: BTreeSet<u16> = ports.take(80).chain([canary]).collect();
    let router: u16 = stack
        .authority()
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
        .expect("a port");
    let ports: Vec<String> = ports.into_iter().chain([router]).map(|port| port.to_string()).collect();
    let own = nix::ifaddrs::getifaddrs().expect("interfaces").filter_map(|interface| {
        interface
            .address
            .and_then(|address| address.as_sockaddr_in().map(|address| address.ip().to_string()))
    });
    let hosts: BTreeSet<String> = own.chain(["127.0.0.1".into(), "127.1.2.3".into()]).collect();
    let look = format!(
        "try() {{ timeout 3 bash -c \"exec 3<>/dev/tcp/$1/$2 && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && \
           IFS= read -r line <&3 && echo $1:$2 answers\" 2>/dev/null; }}\n\
         gateway=$(while read -r _ destination gateway _; do [ \"$destination\" = 00000000 ] && \
           printf '%d.%d.%d.%d ' 0x${{gateway:6:2}} 0x${{gateway:4:2}} 0x${{gateway:2:2}} 0x${{gateway:0:2}}; done < /proc/net/route)\n\
         for host in {} $gateway; do for port in {}; do try $host $port & done; wait; done\ntry 127.0.0.1 8080; true",
        hosts.into_iter().collect::<Vec<_>>().join(" "),
        ports.join(" "),
    );
    let status = script(&stack, &ada, &look).await;
    assert_eq!(
        status["stdout"], "127.0.0.1:8080 answers\n",
        "only its own port answers a sandbox"
    );
    assert_eq!(
        visitors.load(Ordering::SeqCst),
        1,
        "a sandbox reached a server on the host"
    );
}

pub async fn no_secret_is_in_reach(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let look = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/task/*/environ 2>/dev/null | tr '\\0' '\\n'; env; \
                grep -rsh . /home/agent /var/lib/molt /run /tmp /etc 2>/dev/null | head -c 300000; true";
    let status = script(&stack, &ada, look).await;
    let text = status["stdout"].as_str().expect("text");
    assert!(text.contains("HOME=/home/agent"), "the look itself works: {text:.400}");
    let pid = stack.engine.only(&ada).await;
    let control = processes::variable(pid, "MOLT_CONTROL_TOKEN").expect("the supervisor's token");
    let tokens = [control, ada.token.clone(), stack.seeded("Ben").token];
    for secret in stack.secrets.all().iter().chain(&tokens) {
        assert!(
            !text.contains(secret.as_str()),
            "a secret of the platform is readable in the sandbox"
        );
    }
    // The agent itself has the token of its start, by which the edge knows what it asks of providers; it is worth nothing elsewhere (group providers).
    let own = format!("{TOKEN_VARIABLE}=");
    let platforms = |line: &&str| line.starts_with("MOLT_") && !line.starts_with(&own);
    let names: Vec<&str> = text.lines().filter(platforms).collect();
    assert!(names.is_empty(), "{names:?}");
}

pub async fn no_secret_is_on_a_command_line(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let pid = stack.engine.only(&ada).await;
    let control = processes::variable(pid, "MOLT_CONTROL_TOKEN").expect("the supervisor's token");
    let mut secrets = stack.secrets.all();
    secrets.extend([control, ada.token.clone()]);
    let members = stack.processes();
    assert!(
        members.iter().any(|process| process.command.contains("wrangler")),
        "{members:#?}"
    );
    for process in members {
        let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let shown = secrets.iter().any(|secret| line.contains(secret.as_str()));
        assert!(
            !shown,
            "everybody on the machine can read a secret on the command line of {:.40}",
            process.command
        );
    }
}

pub async fn commands_have_no_privileges(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let status = stack
        .sh(
            &ada,
            "id -u; grep -E '^(NoNewPrivs|CapEff|CapPrm|CapInh|CapAmb):' /proc/self/status",
        )
        .await;
    let mut lines = status.lines();
    assert_ne!(lines.next(), Some("0"), "{status}");
    let fields: Vec<(&str, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    for (name, value) in [
        ("NoNewPrivs", "1"),
        ("CapEff", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapInh", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
    ] {
        assert!(fields.contains(&(name, value)), "{name} {value}: {status}");
    }
    let escapes = "mount -t tmpfs none /tmp 2>/dev/null && echo mounted; chroot / true 2>/dev/null && echo chroot; \
                   chown 0 /tmp 2>/dev/null && echo chown; mknod /tmp/disk b 8 0 2>/dev/null && echo mknod; \
                   kill -0 1 2>/dev/null && echo signal; true";
    assert_eq!(stack.sh(&ada, escapes).await, "");
    // The host itself runs the command as an id that is nobody's.
    let host = stack
        .submit(&ada, &json!({"command": "sleep 30", "timeoutMs": 60_000}))
        .await;
    stack.exec_reaches(&host, "running").await;
    let sleepers = stack
        .processes()
        .into_iter()
        .filter(|process| process.command.trim() == "sleep 30");
    let ids = sleepers.filter_map(|process| fs::read_to_string(format!("/proc/{}/status", process.pid)).ok());
    let ids: Vec<String> = ids
        .filter_map(|text| text.lines().find(|line| line.starts_with("Uid:")).map(str::to_owned))
        .collect();
    assert!(
        !ids.is_empty() && ids.iter().all(|line| !line.split_whitespace().any(|id| id == "0")),
        "{ids:?}"
    );
}

pub async fn the_control_port_is_closed_to_the_sandbox(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let ask = |path: &str, headers: &str| {
        format!(
            "exec 3<>/dev/tcp/127.0.0.1/8081; printf 'GET {path} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n{headers}\\r\\n' >&3; \
             head -1 <&3"
        )
    };
    let alive = script(&stack, &ada, &ask("/healthz", "")).await;
    assert!(
        alive["stdout"].as_str().is_some_and(|line| line.contains(" 200 ")),
        "it listens: {alive}"
    );
    for headers in [
        "",
        "Authorization: Bearer x\\r\\n",
        "Authorization: Bearer \\r\\n",
        "X-Molt-User: x\\r\\n",
    ] {
        for path in ["/v1/status", "/v1/exec/x"] {
            let status = script(&stack, &ada, &ask(path, headers)).await;
            assert!(
                status["stdout"].as_str().is_some_and(|line| line.contains(" 401 ")),
                "{path} {headers}: {status}"
            );
        }
    }
}

pub async fn a_command_cannot_end_the_supervisor(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let pid = stack.engine.only(&user).await;
    let kill = "for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p != $$ ] && [ $p != $PPID ] && kill -9 $p 2>/dev/null; done; true";
    // It may take itself along: what counts is who else is gone.
    let accepted = stack.submit(&user, &json!({"command": kill})).await;
    stack.outcome(&accepted).await;
    stack.awake(&user).await;
    assert_eq!(stack.sh(&user, "echo alive").await, "alive\n");
    assert_eq!(
        (stack.engine.only(&user).await, stack.generation(&user).await),
        (pid, 1)
    );
}
