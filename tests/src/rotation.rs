//! Keys change while people work: every kind of key is replaced on a running stack, and no legitimate request fails.
//!
//! In production a changed secret is a deployment of the worker that has it; here it is a changed `.dev.vars`, which the development server
//! takes over when the worker's configuration is touched.

use crate::people::User;
use crate::stack::Stack;
use crate::wait::until;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A changed configuration is in force after this long at most; a busy machine takes most of it.
const RELOAD: Duration = Duration::from_secs(60);
/// A revocation is seen within this.
const REVOCATION: Duration = Duration::from_secs(30);
/// The load makes a request of each kind this often.
const PERIOD: Duration = Duration::from_millis(100);
const WORKERS: [&str; 3] = ["router", "admin", "container-gateway"];

/// What the load counted.
#[derive(Debug, Default)]
pub struct Load {
    /// Requests that were answered 200.
    pub served: Cell<u32>,
    /// Everything else, in words.
    pub failed: RefCell<Vec<String>>,
}

/// Credentials that the load uses just now.
struct Credentials {
    user: RefCell<User>,
    admin_key: RefCell<String>,
}

/// Rotates every kind of key under load and tells what happened, step by step.
///
/// # Panics
/// When a new key does not come into force, an old one stays in force, or a legitimate request failed.
pub async fn rotate(stack: &Stack, tell: impl Fn(&str)) -> Rc<Load> {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    let (first_id, first_key) = stack.admin_key("rotation: first", &["fleet:read", "exec:write"]).await;
    let credentials = Credentials {
        user: RefCell::new(ada.clone()),
        admin_key: RefCell::new(first_key.clone()),
    };
    let load = Rc::new(Load::default());
    let stop = Cell::new(false);
    let rotating = async {
        user_tokens(stack, &ada, &credentials, &tell).await;
        identity(stack, &ada, &tell).await;
        admin_key(stack, &credentials, &first_id, &first_key, &tell).await;
        stop.set(true);
    };
    tokio::join!(rotating, keep_asking(stack, &credentials, &load, &stop));
    tell(&format!(
        "{} legitimate requests were served meanwhile, {} failed",
        load.served.get(),
        load.failed.borrow().len()
    ));
    assert!(
        load.failed.borrow().is_empty(),
        "legitimate requests failed: {:#?}",
        load.failed.borrow()
    );
    load
}

async fn keep_asking(stack: &Stack, credentials: &Credentials, load: &Load, stop: &Cell<bool>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !stop.get() {
        ticks.tick().await;
        let user = credentials.user.borrow().clone();
        let key = credentials.admin_key.borrow().clone();
        let calls = [
            ("a user's page", stack.get("/echo").session(&user)),
            ("an admin key", stack.get("/api/super/users").bearer(&key)),
            ("the bootstrap secret", stack.get("/api/super/state/dashboard").admin()),
        ];
        for (who, call) in calls {
            match call.attempt().await {
                Ok(reply) if reply.status == 200 => load.served.set(load.served.get() + 1),
                Ok(reply) => load
                    .failed
                    .borrow_mut()
                    .push(format!("{who}: {} {}", reply.status, reply.text())),
                Err(error) => load.failed.borrow_mut().push(format!("{who}: {error}")),
            }
        }
    }
}

async fn user_tokens(stack: &Stack, ada: &User, credentials: &Credentials, tell: &impl Fn(&str)) {
    let old = stack.secrets.user_tokens.clone();
    let new = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let renewed = User {
        token: crate::people::sign_with(&stack.claims(&ada.id), jsonwebtoken::Algorithm::HS256, &new),
        ..ada.clone()
    };
    let opens = async |user: &User| {
        stack
            .get("/_molt/boot")
            .user(user)
            .attempt()
            .await
            .is_ok_and(|reply| reply.status == 200)
    };
    assert!(!opens(&renewed).await, "the new key is not in force yet");
    configure(
        stack,
        &["router"],
        &[("SUPABASE_JWT_SECRET", &new), ("SUPABASE_JWT_SECRET_PREVIOUS", &old)],
    );
    until("tokens of the new key open", RELOAD, async || {
        opens(&renewed).await.then_some(())
    })
    .await;
    assert!(opens(ada).await, "tokens of the old key still open");
    tell("user tokens: old and new key both open");
    *credentials.user.borrow_mut() = renewed.clone();
    configure(stack, &["router"], &[("SUPABASE_JWT_SECRET_PREVIOUS", "")]);
    until("tokens of the old key are refused", RELOAD, async || {
        (!opens(ada).await).then_some(())
    })
    .await;
    assert!(opens(&renewed).await);
    tell("user tokens: the old key is refused");
    // Later steps use tokens that the stack's file can sign.
    configure(
        stack,
        &["router"],
        &[("SUPABASE_JWT_SECRET", &old), ("SUPABASE_JWT_SECRET_PREVIOUS", &new)],
    );
    until("the first key is in force again", RELOAD, async || {
        opens(ada).await.then_some(())
    })
    .await;
    *credentials.user.borrow_mut() = ada.clone();
}

async fn identity(stack: &Stack, ada: &User, tell: &impl Fn(&str)) {
    let first = stack.secrets.identity_keys.clone();
    let id = first["current"].as_str().expect("a key id").to_owned();
    let key = first["keys"][&id].clone();
    let second = json!(format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    ));
    let steps: [(&str, Value); 3] = [
        (
            "every worker knows the second key",
            json!({"current": id, "keys": {&id: key, "next": second}}),
        ),
        (
            "the second key signs",
            json!({"current": "next", "keys": {&id: key, "next": second}}),
        ),
        (
            "the first key is gone",
            json!({"current": "next", "keys": {"next": second}}),
        ),
    ];
    for (what, keys) in steps {
        // One after another: a new runtime is the sign that a worker has its new configuration.
        for worker in WORKERS {
            let before = runtimes(stack);
            configure(stack, &[worker], &[("MOLT_IDENTITY_KEYS", &keys.to_string())]);
            until(&format!("{worker} has its new keys"), RELOAD, async || {
                runtimes(stack).iter().any(|pid| !before.contains(pid)).then_some(())
            })
            .await;
        }
        until("a user and an admin are served", RELOAD, async || {
            let user = stack.get("/_molt/boot").user(ada).attempt().await.ok()?.status;
            let admin = stack.get("/api/super/users").admin().attempt().await.ok()?.status;
            (user == 200 && admin == 200).then_some(())
        })
        .await;
        tell(&format!("identity between workers: {what}"));
    }
}

async fn admin_key(stack: &Stack, credentials: &Credentials, first_id: &str, first_key: &str, tell: &impl Fn(&str)) {
    let (_, second) = stack.admin_key("rotation: second", &["fleet:read", "exec:write"]).await;
    *credentials.admin_key.borrow_mut() = second;
    let path = format!("/api/super/keys/{first_id}");
    // A request that the load began with the first key has been answered when the next one is made.
    stack.call("DELETE", &path).admin().send().await;
    let revoked = Instant::now();
    until("the revoked key is refused", REVOCATION, async || {
        let reply = stack.get("/api/super/users").bearer(first_key).send().await;
        (reply.status == 403).then_some(())
    })
    .await;
    tell(&format!(
        "admin key: revoked, and refused {:.1} s later",
        revoked.elapsed().as_secs_f64()
    ));
}

/// Process ids of the runtimes: the one in front of the workers, which stays, and theirs, which is another with each configuration.
#[must_use]
pub fn runtimes(stack: &Stack) -> Vec<i32> {
    let all = stack.processes().into_iter();
    all.filter(|process| process.command.contains("workerd serve"))
        .map(|process| process.pid)
        .collect()
}

/// Changes secrets of workers on a running stack, which gets another runtime for it.
///
/// # Panics
/// When the stack's files cannot be written.
pub fn configure(stack: &Stack, workers: &[&str], secrets: &[(&str, &str)]) {
    for worker in workers {
        let folder: PathBuf = stack.ready.state_dir.join("wrangler").join(worker);
        let file = folder.join(".dev.vars");
        let text = fs::read_to_string(&file).expect("the worker's secrets");
        let changes = |line: &&str| !secrets.iter().any(|(name, _)| line.starts_with(&format!("{name}=")));
        let mut lines: Vec<String> = text.lines().filter(changes).map(str::to_owned).collect();
        lines.extend(
            secrets
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| format!("{name}='{value}'")),
        );
        fs::write(&file, lines.join("\n") + "\n").expect("the worker's secrets");
        let config = folder.join("wrangler.json");
        let text = fs::read(&config).expect("the worker's configuration");
        fs::write(&config, text).expect("the worker's configuration");
    }
}
