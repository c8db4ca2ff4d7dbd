//! Uploads in parts (tus 1.0.0) through the whole path.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e_tests::call::Call;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use std::sync::Arc;
use std::time::Duration;

const PATH: &str = "/_molt/uploads";

fn metadata() -> String {
    format!("target {},method {}", STANDARD.encode("/sink"), STANDARD.encode("PUT"))
}

fn tus<'a>(stack: &'a Stack, method: &str, path: &str) -> Call<'a> {
    stack.call(method, path).header("tus-resumable", "1.0.0")
}

pub async fn an_upload_in_parts_reaches_the_agent_once(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let made = tus(&stack, "POST", PATH)
        .user(&user)
        .header("upload-length", "300000")
        .header("upload-metadata", &metadata());
    let made = made.send().await;
    let upload = made.expect(201).header("location").to_owned();
    for part in 0..3 {
        let at = tus(&stack, "HEAD", &upload).user(&user).send().await;
        assert_eq!(at.expect(200).header("upload-offset"), (part * 100_000).to_string());
        let patch = tus(&stack, "PATCH", &upload)
            .user(&user)
            .header("upload-offset", &(part * 100_000).to_string());
        let patch = patch
            .header("content-type", "application/offset+octet-stream")
            .body(vec![b'x'; 100_000]);
        patch.send().await.expect(204);
    }
    let late = tus(&stack, "PATCH", &upload).user(&user).header("upload-offset", "0");
    let late = late.header("content-type", "application/offset+octet-stream").body("x");
    late.send().await.problem(409, "offset_conflict");
    let answered = until("the agent has answered", Duration::from_secs(20), async || {
        let reply = stack.get(&format!("{upload}/answer?wait=10")).user(&user).send().await;
        (reply.status != 202).then_some(reply)
    });
    let answered = answered.await.json(200);
    assert_eq!(
        (answered["bytes"].as_u64(), answered["requests"].as_u64()),
        (Some(300_000), Some(1))
    );
    let again = stack
        .get(&format!("{upload}/answer"))
        .user(&user)
        .send()
        .await
        .json(200);
    assert_eq!(again, answered);
    tus(&stack, "DELETE", &upload).user(&user).send().await.expect(204);
    stack
        .get(&upload)
        .user(&user)
        .send()
        .await
        .problem(404, "unknown_upload");
}

pub async fn an_upload_is_for_its_owner_alone(stack: Arc<Stack>) {
    let (owner, other) = (stack.new_user().await, stack.new_user().await);
    let made = tus(&stack, "POST", PATH)
        .user(&owner)
        .header("upload-length", "5")
        .header("upload-metadata", &metadata());
    let upload = made.send().await.expect(201).header("location").to_owned();
    stack
        .get(&upload)
        .user(&other)
        .send()
        .await
        .problem(404, "unknown_upload");
    tus(&stack, "DELETE", &upload)
        .send()
        .await
        .problem(401, "authentication_required");
    assert_eq!(
        stack.get(&upload).user(&owner).send().await.json(200)["state"],
        "receiving"
    );
    let reserved = format!("target {}", STANDARD.encode("/_molt/uploads"));
    let made = tus(&stack, "POST", PATH)
        .user(&owner)
        .header("upload-length", "5")
        .header("upload-metadata", &reserved);
    made.send().await.names_field("target");
}

pub async fn a_cookie_of_a_foreign_page_uploads_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let made = tus(&stack, "POST", PATH)
        .session(&user)
        .header("upload-length", "5")
        .header("upload-metadata", &metadata());
    let made = made.header("origin", "https://evil.example").send().await;
    assert_eq!(made.status, 403, "{}", made.text());
    let list = stack.get(PATH).user(&user).send().await.json(200);
    assert_eq!(list["uploads"], serde_json::json!([]));
}
