//! Containers come and go as the runtime of the edge expects it of an engine.

mod support;

use serde_json::json;
use support::{Engine, GUEST, SIDECAR, eventually};

#[test]
fn a_container_is_created_started_asked_and_removed() {
    let engine = Engine::start();
    assert_eq!(engine.call("GET", "/containers/a/json").status, 404);
    let sandbox = engine.sandbox("a");
    let state = engine.inspect("a")["State"].clone();
    assert_eq!((&state["Status"], &state["Running"]), (&json!("running"), &json!(true)));
    assert_eq!(engine.inspect("a")["Config"]["Image"], GUEST);
    assert_eq!(sandbox.run("echo hello"), "hello");
    assert_eq!(sandbox.remove().status, 204);
    assert_eq!(engine.call("GET", "/containers/a/json").status, 404);
    assert_eq!(sandbox.remove().status, 404);
    assert_eq!(
        engine.containers().len(),
        1,
        "the network outlives the program, for the next start"
    );
}

#[test]
fn a_name_is_taken_until_its_container_is_removed() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    let again = engine.create("a", &json!({}));
    assert_eq!(again.status, 409);
    assert!(again.message().contains("already in use"), "{}", again.message());
    sandbox.remove();
    assert_eq!(engine.create("a", &json!({})).status, 201);
}

#[test]
fn an_image_that_is_not_in_the_file_is_404_and_so_is_a_missing_network() {
    let engine = Engine::start();
    engine.sidecar("a");
    let unknown = engine.create("a", &json!({"Image": "docker.io/library/alpine"}));
    assert_eq!(unknown.status, 404);
    assert!(unknown.message().contains("cloudflare-dev/*"), "{}", unknown.message());
    assert_eq!(engine.create("b", &json!({})).status, 404, "no container b-proxy");
    assert_eq!(
        engine
            .create("a", &json!({"HostConfig": {"NetworkMode": "host"}}))
            .status,
        400
    );
    assert_eq!(engine.create("a", &json!({"Env": ["MOLT_TIER=9"]})).status, 400);
    assert_eq!(engine.create("..", &json!({})).status, 400);
}

#[test]
fn starting_twice_is_harmless_and_a_container_that_ended_can_start_again() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    assert_eq!(engine.call("POST", "/containers/a/start").status, 304);
    assert_eq!(engine.call("POST", "/containers/a-proxy/start").status, 304);
    sandbox.run("echo kept > /home/agent/note");
    assert_eq!(engine.call("POST", "/containers/a/stop").status, 204);
    assert_eq!(engine.call("POST", "/containers/a/stop").status, 304);
    assert_eq!(engine.call("POST", "/containers/a/start").status, 204);
    eventually("the guest's port", || sandbox.connect(8080).ok());
    assert_eq!(
        sandbox.run("cat /home/agent/note"),
        "kept",
        "the same container has the same disk"
    );
}

#[test]
fn a_new_container_of_the_same_name_has_an_empty_disk() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    sandbox.run("touch /home/agent/note /var/lib/molt/note /tmp/note");
    assert_eq!(sandbox.remove().status, 204);
    eventually("its files are gone", || {
        let left = std::fs::read_dir(engine.run_dir().join("containers")).unwrap().count();
        (left == 0).then_some(())
    });
    assert_eq!(engine.create("a", &json!({})).status, 201);
    assert_eq!(engine.call("POST", "/containers/a/start").status, 204);
    eventually("the guest's port", || sandbox.connect(8080).ok());
    assert_eq!(sandbox.run("ls -A /home/agent /var/lib/molt /tmp | grep -c note"), "0");
}

/// Status of a program that runs this shell command as process 1, by `/wait` and by what is known of it afterwards.
fn exit_code(engine: &Engine, command: &str) -> i64 {
    assert_eq!(
        engine
            .create("a", &json!({"Entrypoint": ["/bin/sh", "-c"], "Cmd": [command]}))
            .status,
        201
    );
    let started = engine.call("POST", "/containers/a/start");
    assert_eq!(started.status, 204, "{started:?}");
    let waited = engine.call("POST", "/containers/a/wait").json()["StatusCode"]
        .as_i64()
        .unwrap();
    let state = engine.inspect("a")["State"].clone();
    assert_eq!(
        (&state["Status"], &state["ExitCode"], &state["Pid"]),
        (&json!("exited"), &json!(waited), &json!(0))
    );
    assert_ne!(state["FinishedAt"], "0001-01-01T00:00:00Z");
    assert_eq!(engine.call("DELETE", "/containers/a").status, 204);
    waited
}

#[test]
fn exit_codes_are_true() {
    let engine = Engine::start();
    engine.sidecar("a");
    assert_eq!(exit_code(&engine, "exit 0"), 0);
    assert_eq!(exit_code(&engine, "exit 7"), 7);
    assert_eq!(exit_code(&engine, "exit 255"), 255);
    // Process 1 is safe from its own signals, so it takes one from outside to end it.
    let sandbox = support::Sandbox {
        engine: &engine,
        name: "a".into(),
        port: 0,
    };
    assert_eq!(engine.create("a", &json!({})).status, 201);
    assert_eq!(engine.call("POST", "/containers/a/start").status, 204);
    assert_eq!(engine.call("POST", "/containers/a/kill?signal=SIGKILL").status, 204);
    assert_eq!(engine.call("POST", "/containers/a/wait").json()["StatusCode"], 137);
    assert_eq!(
        engine.call("POST", "/containers/a/kill?signal=SIGKILL").status,
        409,
        "it does not run"
    );
    assert_eq!(sandbox.remove().status, 204);
}

#[test]
fn a_program_that_is_not_there_fails_the_start_with_a_reason() {
    let engine = Engine::start();
    engine.sidecar("a");
    assert_eq!(
        engine.create("a", &json!({"Entrypoint": ["/no/such/program"]})).status,
        201
    );
    let started = engine.call("POST", "/containers/a/start");
    assert_eq!(started.status, 500);
    assert!(
        started.message().contains("cannot run /no/such/program"),
        "{}",
        started.message()
    );
    assert_eq!(engine.inspect("a")["State"]["Status"], "created");
}

#[test]
fn term_reaches_the_program_and_stop_does_not_wait_longer_than_it_must() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    assert_eq!(engine.call("POST", "/containers/a/kill?signal=SIGTERM").status, 204);
    assert_eq!(engine.call("POST", "/containers/a/wait").json()["StatusCode"], 5);
    assert!(
        engine
            .call("GET", "/containers/a/logs?stdout=1")
            .text()
            .ends_with("TERM\n")
    );
    assert_eq!(sandbox.remove().status, 204);

    // A shell as process 1 has no handler for TERM, so it takes KILL.
    let created = engine.create("a", &json!({"Entrypoint": ["/bin/sh", "-c", "sleep 1000; true"]}));
    assert_eq!(created.status, 201, "{created:?}");
    let started = engine.call("POST", "/containers/a/start");
    assert_eq!(started.status, 204, "{started:?}");
    assert_eq!(engine.call("POST", "/containers/a/stop?t=1").status, 204);
    assert_eq!(engine.inspect("a")["State"]["ExitCode"], 137);
}

#[test]
fn a_wait_is_held_open_until_the_end() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    std::thread::scope(|scope| {
        let exit = scope.spawn(|| engine.call("POST", "/containers/a/wait").json()["StatusCode"].clone());
        let removal =
            scope.spawn(|| engine.call("POST", "/containers/a/wait?condition=removed").json()["StatusCode"].clone());
        // Whatever else is asked meanwhile is answered, and both still wait.
        assert_eq!(sandbox.run("echo hello"), "hello");
        assert!(!exit.is_finished() && !removal.is_finished());
        assert_eq!(engine.call("POST", "/containers/a/kill?signal=TERM").status, 204);
        assert_eq!(exit.join().unwrap(), 5);
        assert!(!removal.is_finished(), "ended is not removed");
        assert_eq!(sandbox.remove().status, 204);
        assert_eq!(removal.join().unwrap(), 5);
    });
    assert_eq!(engine.call("POST", "/containers/a/wait?condition=removed").status, 404);
}

#[test]
fn a_container_that_fails_is_not_restarted_behind_the_back_of_its_owner() {
    let engine = Engine::start();
    engine.sidecar("a");
    let counting = json!({"Entrypoint": ["/bin/sh", "-c", "echo x >> /home/agent/starts; exit 3"]});
    assert_eq!(
        engine.create("a", &counting).status,
        201,
        "the request carries RestartPolicy on-failure"
    );
    assert_eq!(engine.call("POST", "/containers/a/start").status, 204);
    assert_eq!(engine.call("POST", "/containers/a/wait").json()["StatusCode"], 3);
    let before = engine.inspect("a")["State"]["StartedAt"].clone();
    assert_eq!(
        engine.call("POST", "/containers/a/stop").status,
        304,
        "it has ended for good"
    );
    let state = engine.inspect("a")["State"].clone();
    assert_eq!((&state["Status"], &state["StartedAt"]), (&json!("exited"), &before));
}

#[test]
fn removal_takes_the_whole_tree_with_it() {
    let engine = Engine::start();
    let sandbox = engine.sandbox("a");
    // A grandchild in a session of its own, and one of another user.
    let mark = format!("900{}", std::process::id());
    sandbox.run(&format!(
        "setsid sh -c 'setsid sleep {mark} > /dev/null 2>&1 < /dev/null &' > /dev/null 2>&1"
    ));
    sandbox.run_as_agent(&format!("setsid sleep {mark} > /dev/null 2>&1 < /dev/null &"));
    eventually("both daemons", || {
        (support::processes_with(&mark).len() >= 2).then_some(())
    });
    assert_eq!(sandbox.remove().status, 204);
    assert_eq!(
        support::processes_with(&mark),
        [0; 0],
        "when DELETE has answered, nothing is left"
    );
}

#[test]
fn a_running_container_is_only_removed_by_force() {
    let engine = Engine::start();
    let _sandbox = engine.sandbox("a");
    assert_eq!(engine.call("DELETE", "/containers/a").status, 409);
    assert_eq!(engine.call("DELETE", "/containers/a?force=1").status, 204);
}

#[test]
fn a_session_finds_and_removes_its_own_containers() {
    let engine = Engine::start();
    engine.sandbox("a");
    let other = json!({"Image": SIDECAR, "Labels": {"dev.workerd.session": "s2"}});
    engine.send("POST", "/containers/create?name=other", &other);
    let list = |filter: &str| {
        engine
            .call("GET", &format!("/containers/json?all=1&filters={filter}"))
            .json()
    };
    let session = list("%7B%22label%22%3A%5B%22dev.workerd.session%3Ds1%22%5D%7D");
    let names: Vec<_> = session
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["Names"][0].as_str().unwrap())
        .collect();
    assert_eq!(names, ["/a", "/a-proxy"]);
    assert_eq!(session[0]["HostConfig"]["NetworkMode"], "container:a-proxy");
    for container in session.as_array().unwrap() {
        let id = container["Id"].as_str().unwrap();
        assert_eq!(engine.call("DELETE", &format!("/containers/{id}?force=1")).status, 204);
    }
    assert_eq!(list("%7B%7D").as_array().unwrap().len(), 1);
    let running = engine.call("GET", "/containers/json").json();
    assert_eq!(running, json!([]), "without all=1 only those that run");
    assert_eq!(
        list("%7B%22lable%22%3A%5B%5D%7D")["message"]
            .as_str()
            .unwrap()
            .split(':')
            .next(),
        Some("filters")
    );
}

#[test]
fn the_certificate_put_into_a_container_before_its_start_is_there() {
    let engine = Engine::start();
    let port = engine.sidecar("a");
    assert_eq!(engine.create("a", &json!({})).status, 201);
    let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let authority = support::http::call(stream, "GET", "/ca", None).unwrap().body;
    assert!(authority.starts_with(b"-----BEGIN CERTIFICATE-----"));
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(authority.len() as u64);
    header.set_mode(0o644);
    archive
        .append_data(
            &mut header,
            "cloudflare/certs/cloudflare-containers-ca.crt",
            authority.as_slice(),
        )
        .unwrap();
    let archive = archive.into_inner().unwrap();
    let put = engine
        .try_call("PUT", "/containers/a/archive?path=%2Fetc", Some(&archive))
        .unwrap();
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(engine.call("POST", "/containers/a/start").status, 204);
    let sandbox = support::Sandbox {
        engine: &engine,
        name: "a".into(),
        port,
    };
    eventually("the guest's port", || sandbox.connect(8080).ok());
    let inside = sandbox.run_as_agent("cat /etc/cloudflare/certs/cloudflare-containers-ca.crt");
    assert_eq!(inside.as_bytes(), authority.trim_ascii_end());
    let elsewhere = engine
        .try_call("PUT", "/containers/a/archive?path=%2Fhome%2Fagent", Some(&archive))
        .unwrap();
    assert_eq!(elsewhere.status, 501);
}

#[test]
fn what_the_engine_does_not_do_it_says() {
    let engine = Engine::start();
    for (method, path) in [
        ("POST", "/containers/a/exec"),
        ("POST", "/commit?container=a"),
        ("GET", "/nonsense"),
    ] {
        let answer = engine.call(method, path);
        assert_eq!(answer.status, 501, "{method} {path}");
        assert!(
            answer.message().contains(path.split('?').next().unwrap()),
            "{}",
            answer.message()
        );
    }
    assert!(engine.log().contains("WARN"), "and it says so in its log");
}

#[test]
fn the_rest_of_what_the_runtime_asks_for() {
    let engine = Engine::start();
    assert_eq!(engine.call("GET", "/_ping").text(), "OK");
    assert_eq!(engine.call("GET", "/v1.41/version").status, 200);
    assert_eq!(engine.call("GET", "/info").json()["OSType"], "linux");
    assert_eq!(
        engine.call("GET", "/volumes?filters=%7B%7D").json()["Volumes"],
        json!([])
    );
    assert_eq!(engine.call("DELETE", "/volumes/workerd-snap-1").status, 404);
    let network = engine.call("GET", "/networks/bridge").json();
    assert_eq!(network["IPAM"]["Config"][0]["Gateway"], "127.0.0.1");
    assert_eq!(engine.call("GET", "/images/cloudflare-dev%2Fx%3A1/json").status, 200);
    assert_eq!(engine.call("GET", "/images/nothing/json").status, 404);
}
