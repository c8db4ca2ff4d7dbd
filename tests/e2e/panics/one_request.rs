//! Where a request panics, and what others see of it.

use e2e_tests::people::User;
use e2e_tests::socket::Socket;
use e2e_tests::stack::Stack;
use futures_util::StreamExt;
use futures_util::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// See `crates/platform/src/induced.rs`.
pub const HEADER: &str = "induced-panic";
const STREAM: &str = "/stream?n=12&ms=250";

/// What is under way and what is stored while somebody's request panics.
pub struct Bystanders {
    ada: User,
    /// A stream of which the beginning has come.
    stream: Response,
    socket: Socket,
    /// A command that ran before, and one that runs.
    done: Value,
    running: Value,
    generation: u64,
    programs: Vec<i32>,
}

fn programs(stack: &Stack) -> Vec<i32> {
    let processes = stack.ready.processes.iter();
    processes.map(|process| stack.ready.process(&process.name)).collect()
}

impl Bystanders {
    /// Begins all of it in Ada's sandbox.
    pub async fn begin(stack: &Stack) -> Self {
        let ada = stack.seeded("Ada");
        stack.awake(&ada).await;
        let done = stack.exec(&ada, &json!({"command": "echo before"})).await;
        let running = stack.submit(&ada, &json!({"command": "sleep 4; echo through"})).await;
        let mut socket = stack.socket(&ada).await;
        socket.echoes("before").await;
        let stream = stack.get(STREAM).user(&ada).open().await;
        assert_eq!(stream.status(), 200);
        Self {
            stream,
            socket,
            done,
            running,
            generation: stack.generation(&ada).await,
            programs: programs(stack),
            ada,
        }
    }

    /// All of it goes on and ends as if nothing had happened.
    pub async fn assert_unharmed(mut self, stack: &Stack) {
        let done_url = self.done_url();
        self.socket.echoes("after").await;
        stack.get("/echo").user(&self.ada).send().await.expect(200);
        stack.get("/api/super/users").admin().send().await.expect(200);
        let mut pieces = self.stream.bytes_stream();
        let mut text = String::new();
        while let Some(piece) = pieces.next().await {
            text.push_str(&String::from_utf8_lossy(&piece.expect("the stream goes on")));
        }
        let whole: String = (0..12).map(|number| format!("chunk {number}\n")).collect();
        assert_eq!(text, whole);
        let through = stack.outcome(&self.running).await;
        assert_eq!(
            (&through["state"], &through["stdout"]),
            (&json!("succeeded"), &json!("through\n")),
            "{through}"
        );
        let done = stack.exec_status(&done_url).await;
        assert_eq!(
            (&done["state"], &done["stdout"]),
            (&json!("succeeded"), &json!("before\n")),
            "{done}"
        );
        self.socket.close(1000, "done").await;
        assert_eq!(
            stack.generation(&self.ada).await,
            self.generation,
            "the sandbox was started anew"
        );
        assert_eq!(
            programs(stack),
            self.programs,
            "a program of the stack was started anew"
        );
    }

    fn done_url(&self) -> Value {
        let id = self.done["execId"].as_str().expect("an id");
        let url = self.running["pollUrl"].as_str().expect("a path");
        let running = self.running["execId"].as_str().expect("an id");
        json!({"pollUrl": url.replace(running, id)})
    }
}

/// A request of Ada's that panics at this place, and an answer that says no more than it should.
async fn panic_at(stack: &Stack, place: &str, path: &str) {
    let ada = stack.seeded("Ada");
    let reply = stack.get(path).user(&ada).admin().header(HEADER, place).send().await;
    reply.problem(500, "internal_error");
    assert!(!reply.text().contains("induced"), "{}", reply.text());
}

async fn unharmed_by(stack: &Stack, place: &str, path: &str) {
    let bystanders = Bystanders::begin(stack).await;
    // One by one, and some at once.
    panic_at(stack, place, path).await;
    join_all((0..8).map(|_| panic_at(stack, place, path))).await;
    bystanders.assert_unharmed(stack).await;
}

pub async fn a_panic_in_the_router_ends_its_request_only(stack: Arc<Stack>) {
    unharmed_by(&stack, "router", "/echo").await;
}

pub async fn a_panic_in_the_gateway_ends_its_request_only(stack: Arc<Stack>) {
    unharmed_by(&stack, "gateway", "/echo").await;
}

pub async fn a_panic_in_the_sandbox_object_ends_its_request_only(stack: Arc<Stack>) {
    unharmed_by(&stack, "sandbox", "/echo").await;
}

pub async fn a_panic_in_the_admin_worker_ends_its_request_only(stack: Arc<Stack>) {
    unharmed_by(&stack, "admin", "/api/super/users").await;
}

/// The command that panics is not accepted, and none is stored.
async fn panic_in_store(stack: &Stack) {
    let ada = stack.seeded("Ada");
    let body = json!({"command": "true", "env": {"INDUCED_PANIC": "exec-store"}});
    let reply = stack.post(&ada.path("/exec")).admin().json(&body).send().await;
    reply.problem(500, "internal_error");
}

pub async fn a_panic_in_the_exec_store_ends_its_request_only(stack: Arc<Stack>) {
    let bystanders = Bystanders::begin(&stack).await;
    panic_in_store(&stack).await;
    join_all((0..8).map(|_| panic_in_store(&stack))).await;
    bystanders.assert_unharmed(&stack).await;
}

pub async fn a_burst_of_panics_everywhere_changes_nothing(stack: Arc<Stack>) {
    let bystanders = Bystanders::begin(&stack).await;
    // Ben is not up: his request is held while others panic in the same instances.
    let ben = stack.new_user().await;
    let held = stack.get("/echo").user(&ben).send();
    let places = [
        ("router", "/echo"),
        ("gateway", "/echo"),
        ("sandbox", "/echo"),
        ("admin", "/api/super/users"),
    ];
    let panics = (0..10)
        .flat_map(|_| places)
        .map(|(place, path)| panic_at(&stack, place, path));
    let (held, _) = tokio::join!(held, join_all(panics));
    held.expect(200);
    bystanders.assert_unharmed(&stack).await;
}
