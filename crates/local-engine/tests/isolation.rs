//! What a program in a sandbox is, and what it cannot see or do.

mod support;

use std::os::unix::fs::MetadataExt;

use serde_json::json;
use support::{Engine, eventually};

#[test]
fn the_first_process_has_six_capabilities_in_a_user_namespace_of_its_own_and_can_gain_none() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    assert_eq!(
        sandbox.run("id -u; cut -d: -f1 /etc/passwd | tr '\\n' ' '"),
        "0\nroot agent nobody"
    );
    let status = sandbox.run("cat /proc/1/status");
    // CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID: bits 0, 1, 3, 5, 6, 7.
    for (field, value) in [
        ("NoNewPrivs", "1"),
        ("CapPrm", "00000000000000eb"),
        ("CapEff", "00000000000000eb"),
        ("CapBnd", "00000000000000eb"),
        ("CapInh", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
    ] {
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        assert_eq!(line.split_whitespace().nth(1), Some(value), "{line}");
    }
    let host_id = std::fs::metadata(format!("/proc/{}", sandbox.pid())).unwrap().uid();
    assert!(host_id >= 100_000, "its user is nobody on the host, not {host_id}");
    assert_eq!(
        sandbox.run("unshare -U true 2>&1 || echo refused").lines().last(),
        Some("refused")
    );
    assert!(sandbox.run("unshare -m true 2>&1").contains("not permitted"));
    assert!(
        sandbox
            .run("mount -t tmpfs x /tmp 2>&1 || echo refused")
            .contains("refused")
    );
    assert!(
        sandbox
            .run("ip link add x type dummy 2>&1 || echo refused")
            .contains("refused")
    );
}

#[test]
fn commands_run_as_the_agent_who_owns_home_and_nothing_of_the_supervisor() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    assert_eq!(
        sandbox.run_as_agent("id -un; touch /home/agent/x && echo mine"),
        "agent\nmine"
    );
    assert_eq!(
        sandbox.run("stat -c %U:%a /home/agent /home/agent/x /var/lib/molt"),
        "agent:750\nagent:644\nroot:755"
    );
    assert_eq!(
        sandbox.run_as_agent("touch /var/lib/molt/x 2>/dev/null || echo refused"),
        "refused"
    );
    assert_eq!(sandbox.run_as_agent("kill -9 1 2>/dev/null || echo refused"), "refused");
    assert_eq!(
        sandbox.run_as_agent("cat /proc/1/environ 2>/dev/null || echo refused"),
        "refused"
    );
    assert_eq!(
        sandbox
            .run_as_agent("grep CapEff /proc/self/status")
            .split_whitespace()
            .last(),
        Some("0000000000000000")
    );
    assert_eq!(
        sandbox.run("sleep 50 & kill -9 $! && echo supervisor may"),
        "supervisor may"
    );
}

#[test]
fn the_system_is_read_only_and_the_rest_of_the_host_is_not_there() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    assert_eq!(
        sandbox
            .run("ls / | tr '\\n' ' '")
            .split_whitespace()
            .filter(|name| !name.starts_with("lib") && *name != "sys")
            .collect::<Vec<_>>(),
        [
            "bin", "dev", "etc", "home", "opt", "proc", "run", "sbin", "tmp", "usr", "var"
        ]
    );
    for place in ["/x", "/usr/x", "/etc/x", "/home/x", "/opt/guest/guest.pl"] {
        let said = sandbox.run(&format!("(echo x >> {place}) 2>&1 || echo refused"));
        assert!(said.contains("refused"), "{place}: {said}");
    }
    let hidden = [
        engine.socket(),
        engine.run_dir(),
        engine.directory.path().to_owned(),
        "/root".into(),
        "/sys/kernel".into(),
        "/sys/devices".into(),
        "/boot".into(),
    ];
    for path in hidden {
        assert_eq!(
            sandbox.run(&format!("ls -d {} 2>/dev/null || echo absent", path.display())),
            "absent"
        );
    }
    let counters = sandbox.run("ls /sys /sys/fs 2>/dev/null | grep -v '^/sys' | tr -d '\\n'");
    assert!(
        ["", "fscgroup"].contains(&counters.as_str()),
        "its own counters alone: {counters}"
    );
    assert_eq!(
        sandbox.run("ls /home /opt /opt/guest | tr '\\n' ' '"),
        "/home: agent  /opt: guest  /opt/guest: guest.pl"
    );
    assert_eq!(
        sandbox.run("ls -A /dev | grep -E '^(sd|vd|nvme|loop|mem|kmsg|fuse|kvm)' | wc -l"),
        "0"
    );
    assert_eq!(sandbox.run("hostname; cat /etc/hostname"), "box\nbox");
}

#[test]
fn two_sandboxes_see_nothing_of_each_other() {
    let engine = Engine::start();
    let (a, b) = (engine.sandbox("a"), engine.sandbox("b"));
    a.run("echo secret > /home/agent/secret; echo secret > /tmp/secret; setsid sleep 7777 > /dev/null 2>&1 &");
    eventually("the process in a", || {
        a.run("ps -eo args").contains("sleep 7777").then_some(())
    });
    assert_eq!(
        b.run("cat /home/agent/secret /tmp/secret 2>/dev/null || echo absent"),
        "absent"
    );
    assert!(!b.run("ps -eo args").contains("7777"));
    // Same loopback port in both, and an abstract socket of the same name: two worlds.
    let serve = |text: &str| {
        format!(
            "perl -MIO::Socket::UNIX -MIO::Socket::INET -e '$u=IO::Socket::UNIX->new(Local=>\"\\0shared\",Listen=>1) or die; \
             $t=IO::Socket::INET->new(LocalAddr=>\"127.0.0.1:9999\",Listen=>1) or die; $c=$t->accept; print $c \"{text}\"; ' > /dev/null 2>&1 &"
        )
    };
    a.run(&serve("of a"));
    b.run(&serve("of b"));
    let ask = |sandbox: &support::Sandbox<'_>| {
        let mut stream = eventually("the server inside", || sandbox.connect(9999).ok());
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        text
    };
    assert_eq!((ask(&a), ask(&b)), ("of a".to_owned(), "of b".to_owned()));
    let user = |sandbox: &support::Sandbox<'_>| std::fs::metadata(format!("/proc/{}", sandbox.pid())).unwrap().uid();
    assert_ne!(user(&a), user(&b), "they are strangers to each other even on the host");
}

#[test]
fn the_environment_is_the_images_and_the_clients_and_no_part_of_it_is_in_an_argument() {
    let engine = Engine::start();
    let secret = format!("s3cret-{}", std::process::id());
    let sandbox = engine.sandbox_with("a", &json!({"Env": [format!("TOKEN={secret}"), "HOME=/tmp", "EMPTY="]}));
    let mut names: Vec<_> = sandbox
        .run("cat /proc/1/environ | tr '\\0' '\\n'")
        .lines()
        .map(str::to_owned)
        .collect();
    names.sort();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(
        names,
        ["EMPTY=", "HOME=/tmp", path, "PWD=/", &format!("TOKEN={secret}")]
    );
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&arguments).contains(&secret),
            "{:?}",
            entry.path()
        );
    }
    assert!(!engine.log().contains(&secret), "nor in the log");
    assert!(
        !engine.inspect("a").to_string().contains(&secret),
        "nor in what is told of it"
    );
    assert!(!engine.call("GET", "/molt/containers").text().contains(&secret));
}

#[test]
fn only_the_standard_descriptors_are_open() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    // Of process 1: the standard three and its own listener. It may not have closed the connection of this question yet.
    let list = || sandbox.run("ls -l /proc/1/fd");
    eventually("four descriptors", || {
        (list().matches(" -> ").count() == 4).then_some(())
    });
}

#[test]
fn no_other_user_of_the_host_reaches_the_socket_or_the_files() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&engine.socket()), 0o600);
    assert_eq!(mode(&engine.run_dir()), 0o700);
    assert_eq!(sandbox.run("echo ok"), "ok", "and yet the sandbox works");
}
