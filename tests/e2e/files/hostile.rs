//! Agents and callers that want more than they may.

use crate::running::{put, read};
use e2e_tests::stack::Stack;
use serde_json::json;
use std::sync::Arc;

pub async fn nothing_leads_out_of_the_home(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "cd; ln -s /etc etc; ln -s ../../etc up; ln -s /proc/self/root magic; mkfifo pipe; mkdir in; ln -s in inner; echo ok > in/f").await;
    for path in [
        "/etc/passwd",
        "/up/passwd",
        "/magic/etc/passwd",
        "/etc/?list=1",
        "/magic/?list=1",
        "/etc?format=tar",
    ] {
        read(&stack, &user, path).await.problem(403, "outside_home");
    }
    for path in ["etc/molt-test", "up/molt-test", "magic/tmp/molt-test"] {
        put(&stack, &user, path, "x").await.problem(403, "outside_home");
    }
    put(&stack, &user, "inner", "x").await.problem(409, "is_a_link");
    read(&stack, &user, "/pipe").await.problem(409, "not_a_file");
    assert_eq!(read(&stack, &user, "/inner/f").await.expect(200).text(), "ok\n");
    // A URL is tidied up before anybody here reads it; what is left in a name is refused.
    for path in [
        "/a%2F..%2F..%2Fetc",
        "/%2Fetc%2Fpasswd",
        "/a//b",
        "?path=../x",
        "?path=/etc",
    ] {
        read(&stack, &user, path).await.names_field("path");
    }
    stack
        .call("DELETE", &user.path("/files/etc?recursive=1"))
        .admin()
        .send()
        .await
        .expect(200);
    assert!(stack.sh(&user, "head -c 4 /etc/passwd").await.starts_with("root"));
}

pub async fn a_page_among_the_files_is_only_a_download(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    put(&stack, &user, "page.html", "<script>alert(1)</script>")
        .await
        .expect(201);
    let page = read(&stack, &user, "/page.html").await;
    page.expect(200);
    assert_eq!(page.header("content-type"), "application/octet-stream");
    assert_eq!(page.header("content-disposition"), "attachment");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert!(page.header("cache-control").contains("no-store"));
}

pub async fn nothing_starts_for_a_file(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    read(&stack, &user, "/a").await.problem(404, "no_snapshot");
    read(&stack, &user, "/a?source=container")
        .await
        .problem(409, "sandbox_not_running");
    put(&stack, &user, "a", "x").await.problem(409, "sandbox_not_running");
    stack
        .call("DELETE", &user.path("/files/a"))
        .admin()
        .send()
        .await
        .problem(409, "sandbox_not_running");
    let batch = stack
        .post(&user.path("/files/batch"))
        .admin()
        .json(&json!({"operations": [{"op": "exists", "path": "a"}]}));
    batch.send().await.problem(409, "sandbox_not_running");
    assert_eq!(stack.generation(&user).await, 0, "nothing was started");
    let nobody = "/api/super/users/ada00000-0000-4000-8000-00000000dead/files/a";
    stack.get(nobody).admin().send().await.problem(404, "unknown_user");
    stack
        .get("/api/super/users/nobody/files/a")
        .admin()
        .send()
        .await
        .names_field("id");
    read(&stack, &user, "/a?source=elsewhere").await.names_field("source");
    read(&stack, &user, "/a?snapshot=1").await.names_field("snapshot");
    stack.get(&user.path("/files/a")).send().await.expect(401);
}

pub async fn keys_need_the_scope(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let key = async |scope: &str| {
        let body = json!({"name": format!("files {scope}"), "scopes": [scope]});
        let made = stack.post("/api/super/keys").admin().json(&body).send().await.json(201);
        made["key"].as_str().expect("a key").to_owned()
    };
    let (reads, writes, other) = (
        key("files:read").await,
        key("files:write").await,
        key("exec:write").await,
    );
    let path = user.path("/files/a");
    // Past the scope, each is refused for the sandbox that does not run.
    for (method, key, status, code) in [
        ("GET", &reads, 404, "no_snapshot"),
        ("GET", &writes, 404, "no_snapshot"),
        ("PUT", &writes, 409, "sandbox_not_running"),
        ("PUT", &reads, 403, "scope_missing"),
        ("DELETE", &reads, 403, "scope_missing"),
        ("GET", &other, 403, "scope_missing"),
    ] {
        let call = stack.call(method, &path).header("x-admin-secret", key);
        let call = if method == "PUT" { call.body("x") } else { call };
        call.send().await.problem(status, code);
    }
}
