//! Secrets of a running deployment are replaced.

use crate::account::{calls, changes, read};
use crate::edge::Edge;
use crate::program::Operator;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn deployed() -> (Operator, Edge) {
    let mut operator = Operator::with_account(json!({"watch_seconds": 1}));
    let edge = Edge::of(&mut operator);
    operator.succeeds(&[]);
    changes(&operator);
    (operator, edge)
}

fn kept(operator: &Operator) -> BTreeMap<String, String> {
    serde_json::from_str(&fs::read_to_string(operator.secrets_file()).unwrap()).unwrap()
}

fn live(operator: &Operator, worker: &str, name: &str) -> String {
    let account = read(operator.folder.path());
    let versions = account["workers"][worker]["versions"].as_array().unwrap();
    versions.last().unwrap()["secrets"][name].as_str().unwrap().to_owned()
}

/// Status of the path that needs all three workers to know each other's keys.
fn ask(edge: &Edge, secret: &str) -> u16 {
    let mut stream = TcpStream::connect(edge.url.trim_start_matches("http://")).unwrap();
    write!(
        stream,
        "GET /api/super/users/u1/state HTTP/1.1\r\nx-admin-secret: {secret}\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn identity_keys_change_without_a_refused_request() {
    let (operator, edge) = deployed();
    let (before, started) = (kept(&operator), Instant::now());
    let secret = &before["MOLTBOT_GATEWAY_MASTER_TOKEN"];
    edge.delay_backends(Duration::from_millis(1500));
    // The first deployment is there.
    while ask(&edge, secret) != 200 {
        assert!(started.elapsed() < Duration::from_secs(20), "the edge does not answer");
    }
    let done = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut answers = BTreeMap::new();
            while !done.load(Ordering::Relaxed) {
                *answers.entry(ask(&edge, secret)).or_insert(0) += 1;
            }
            answers
        });
        let outcome = operator.run(&["--rotate", "MOLT_IDENTITY_KEYS"]);
        done.store(true, Ordering::Relaxed);
        assert!(outcome.success, "{}", outcome.text);
        load.join().unwrap()
    });
    assert_eq!(answers.keys().collect::<Vec<_>>(), [&200], "{answers:?}");
    let ring: Value = serde_json::from_str(&kept(&operator)["MOLT_IDENTITY_KEYS"]).unwrap();
    assert_eq!(ring["current"], "k2");
    for worker in ["acme-router", "acme-admin-api", "acme-container-gateway"] {
        assert_eq!(
            live(&operator, worker, "MOLT_IDENTITY_KEYS"),
            kept(&operator)["MOLT_IDENTITY_KEYS"]
        );
    }
    for call in calls(&operator) {
        let seen = format!("{} {}", call.arguments().join(" "), call.environment());
        assert!(!seen.contains(ring["keys"]["k2"].as_str().unwrap()), "{}", call.line());
    }
    operator.succeeds(&[]);
    assert_eq!(
        changes(&operator),
        Vec::<String>::new(),
        "a version with another secret is no other release"
    );
}

#[test]
fn the_bootstrap_secret_is_replaced_by_a_new_one() {
    let (operator, edge) = deployed();
    let before = kept(&operator);
    operator.succeeds(&["--rotate", "MOLTBOT_GATEWAY_MASTER_TOKEN"]);
    let after = kept(&operator);
    assert_ne!(
        after["MOLTBOT_GATEWAY_MASTER_TOKEN"],
        before["MOLTBOT_GATEWAY_MASTER_TOKEN"]
    );
    assert_eq!(after["MOLT_IDENTITY_KEYS"], before["MOLT_IDENTITY_KEYS"]);
    assert_eq!(ask(&edge, &before["MOLTBOT_GATEWAY_MASTER_TOKEN"]), 401);
    assert_eq!(ask(&edge, &after["MOLTBOT_GATEWAY_MASTER_TOKEN"]), 200);
}

#[test]
fn a_rotation_that_fails_leaves_the_former_secret_everywhere() {
    let (mut operator, _edge) = deployed();
    let before = kept(&operator);
    operator.set("STAND_IN_FAILS", "secret bulk --name acme-router");
    let told = operator.fails(&["--rotate", "MOLT_IDENTITY_KEYS"]);
    assert!(told.contains("admin is back at version acme-admin-api-v1"), "{told}");
    assert_eq!(kept(&operator), before);
}

#[test]
fn root_keys_stay_however_often_they_are_replaced() {
    for name in ["MOLT_REPOSITORY_KEYS", "MOLT_SECRET_KEYS"] {
        a_root_key_stays_however_often_it_is_replaced(name);
    }
}

fn a_root_key_stays_however_often_it_is_replaced(name: &str) {
    let (operator, _edge) = deployed();
    let ring = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let first = ring(&kept(&operator)[name]);
    for _ in 0..2 {
        operator.succeeds(&["--rotate", name]);
    }
    let third = ring(&live(&operator, "acme-container-gateway", name));
    assert_eq!(third["current"], "k3");
    assert_eq!(
        third["keys"]["k1"], first["keys"]["k1"],
        "what is wrapped under it opens"
    );
    assert_eq!(third["keys"].as_object().unwrap().len(), 3);
    assert_eq!(third, ring(&kept(&operator)[name]));
    // Without the former keys a new one would lose what is sealed under them.
    let mut others = kept(&operator);
    others.remove(name);
    fs::write(operator.secrets_file(), serde_json::to_string(&others).unwrap()).unwrap();
    let told = operator.fails(&["--rotate", name]);
    assert!(told.contains("would be lost"), "{told}");
}

#[test]
fn somebody_elses_secret_has_to_be_given() {
    let (mut operator, _edge) = deployed();
    operator.set("SUPABASE_JWT_SECRET", "");
    let told = operator.fails(&["--rotate", "SUPABASE_JWT_SECRET"]);
    assert!(told.contains("is not ours to make"), "{told}");
    operator.set("SUPABASE_JWT_SECRET", "new-secret-of-the-provider");
    operator.succeeds(&["--rotate", "SUPABASE_JWT_SECRET"]);
    assert_eq!(
        live(&operator, "acme-router", "SUPABASE_JWT_SECRET"),
        "new-secret-of-the-provider"
    );
    let told = operator.fails(&["--rotate", "NO_SUCH_SECRET"]);
    assert!(told.contains("no worker has a secret"), "{told}");
}
