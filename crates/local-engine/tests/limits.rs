//! A sandbox cannot take more of the machine than its tier gives it.

mod support;

use serde_json::json;
use support::{Engine, Setup, eventually};

/// A file of the container's control group, under version 1 or 2 of the interface.
fn setting(engine: &Engine, name: &str, files: &[(&str, &str)]) -> String {
    let containers = engine.containers();
    let group = containers.iter().find(|one| one["name"] == name).unwrap()["cgroup"].clone();
    let group = group
        .as_str()
        .expect("this machine has no control groups that can be used: mount them, or run as root")
        .to_owned();
    for (controller, file) in files {
        let path = group.replace("/memory/", &format!("/{controller}/"));
        if let Ok(text) = std::fs::read_to_string(format!("{path}/{file}")) {
            return text.trim().to_owned();
        }
    }
    panic!("none of {files:?} in {group}");
}

#[test]
fn the_tier_decides() {
    let engine = Engine::start();
    for (tier, memory, quota) in [
        ("1", 4_u64 << 30, "50000"),
        ("2", 6 << 30, "100000"),
        ("3", 8 << 30, "200000"),
    ] {
        let name = format!("tier{tier}");
        engine.sandbox_with(&name, &json!({"Env": [format!("MOLT_TIER={tier}")]}));
        let bytes = setting(
            &engine,
            &name,
            &[("memory", "memory.limit_in_bytes"), ("memory", "memory.max")],
        );
        assert_eq!(bytes, memory.to_string());
        let cpu = setting(&engine, &name, &[("cpu", "cpu.cfs_quota_us"), ("cpu", "cpu.max")]);
        assert_eq!(cpu.split(' ').next(), Some(quota));
        assert_eq!(setting(&engine, &name, &[("pids", "pids.max")]), "2048");
    }
}

#[test]
fn a_fork_bomb_hits_the_wall_and_the_engine_still_removes_it() {
    let engine = Engine::with(Setup {
        limits: Some(json!({"pids": 60, "cpuMillis": 500})),
        ..Setup::default()
    });
    let (bomb, other) = (engine.sandbox("bomb"), engine.sandbox("other"));
    // Perl goes on where a fork is refused; a shell gives up, and its bomb may be over before anybody looks.
    bomb.run("setsid perl -e 'fork while 1' > /dev/null 2>&1 < /dev/null &");
    let count = || {
        setting(&engine, "bomb", &[("pids", "pids.current")])
            .parse::<u64>()
            .unwrap()
    };
    eventually("a full group", || (count() == 60).then_some(()));
    assert_eq!(other.run("echo fine"), "fine", "its neighbour does not notice");
    assert_eq!(bomb.remove().status, 204);
}

#[test]
fn who_takes_too_much_memory_is_killed_and_the_rest_lives_on() {
    let engine = Engine::with(Setup {
        limits: Some(json!({"memoryMib": 256})),
        ..Setup::default()
    });
    let sandbox = engine.sandbox("a");
    // The container knows why, from the counters of its own group.
    let kills = || {
        sandbox
            .run("cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>&- | grep '^oom_kill '")
    };
    assert_eq!(sandbox.run_as_agent_hog(50), "took it");
    assert_eq!(kills(), "oom_kill 0");
    assert!(!sandbox.run_as_agent_hog(600).contains("took it"));
    assert_eq!(kills(), "oom_kill 1");
    let raise = "for file in memory/memory.limit_in_bytes memory.max; do echo 1 > /sys/fs/cgroup/$file && echo written; done 2>&-; echo no";
    assert_eq!(sandbox.run(raise), "no", "the counters are for reading");
    assert_eq!(sandbox.run("echo alive"), "alive");
    assert_eq!(sandbox.remove().status, 204);

    engine.create(
        "a",
        &json!({"Entrypoint": ["/usr/bin/perl", "-e", "$x = 'x' x (600 << 20); print 'took it'"]}),
    );
    engine.call("POST", "/containers/a/start");
    assert_eq!(engine.call("POST", "/containers/a/wait").json()["StatusCode"], 137);
    assert_eq!(engine.inspect("a")["State"]["OOMKilled"], true);
}

trait Hog {
    fn run_as_agent_hog(&self, mebibytes: u32) -> String;
}

impl Hog for support::Sandbox<'_> {
    fn run_as_agent_hog(&self, mebibytes: u32) -> String {
        self.run_as_agent(&format!(
            "perl -e \"\\$x = q(x) x ({mebibytes} << 20); print q(took it)\""
        ))
    }
}

#[test]
fn the_group_is_gone_with_its_container() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    let group = engine.containers().iter().find(|one| one["name"] == "a").unwrap()["cgroup"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(std::path::Path::new(&group).is_dir());
    sandbox.remove();
    assert!(!std::path::Path::new(&group).exists());
}
