//! What ends with a session, and what admin credentials open.

use e2e_tests::people::{User, now};
use e2e_tests::stack::Stack;
use e2e_tests::wait::within;
use molt_common::admin_key::AdminKey;
use molt_common::control::SessionEnd;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub async fn a_socket_ends_with_its_token_and_a_renewed_one_resumes(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let mut claims = stack.claims(&user.id);
    let end_s = now() + 8;
    claims["exp"] = json!(end_s);
    let short = User {
        token: stack.sign(&claims),
        ..user.clone()
    };
    let mut socket = stack.socket(&short).await;
    let mut other = stack.socket(&user).await;
    socket.echoes("before its end").await;
    let end = within("the socket is closed", Duration::from_secs(13), socket.closed()).await;
    assert_eq!(
        end,
        (
            SessionEnd::Expired.close_code(),
            SessionEnd::Expired.reason().to_owned()
        )
    );
    let since = SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs(end_s));
    let late = since.expect("not before the token's end");
    assert!(late < Duration::from_secs(5), "{late:?} after the token's end");
    println!("closed {late:?} after the token's end");
    let refused = stack.handshake("/socket").user(&short).attempt().await;
    assert_eq!(refused.expect_err("its token has ended").status().as_u16(), 401);
    claims["exp"] = json!(now() + 3600);
    let renewed = User {
        token: stack.sign(&claims),
        ..user.clone()
    };
    stack.socket(&renewed).await.echoes("after renewal").await;
    other.echoes("another session").await;
}

pub async fn a_stream_breaks_off_when_its_user_signs_out(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let mut stream = stack.get("/stream?n=100000&ms=50").session(&user).open().await;
    assert!(stream.chunk().await.expect("a first piece").is_some());
    let reply = stack.post("/logout").session(&user).send().await;
    assert_eq!(reply.expect(303).header("location"), "/logout");
    let end = async { while let Ok(Some(_)) = stream.chunk().await {} };
    within("the stream has ended", Duration::from_secs(5), end).await;
    let other = stack.another_session(&user);
    stack.get("/echo").user(&other).send().await.expect(200);
}

pub async fn a_key_beside_a_cookie_opens_no_sandbox(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    let key = AdminKey::new([7; 8], [7; 32]).reveal();
    for path in ["/", "/echo", "/_molt/boot"] {
        let call = stack.get(path).session(&ada).bearer(&key);
        call.send().await.problem(401, "authentication_required");
    }
}

pub async fn odd_admin_credentials_are_refused_safely(stack: Arc<Stack>) {
    let secret = &stack.ready.admin_secret;
    let ada = stack.seeded("Ada");
    let key = AdminKey::new([7; 8], [7; 32]).reveal();
    let call = || stack.get("/api/super/users");
    call()
        .header("x-admin-secret", &key)
        .send()
        .await
        .problem(403, "admin_key_wrong");
    call().bearer(&key).send().await.problem(403, "admin_key_wrong");
    call().bearer("molt_x").send().await.problem(403, "admin_key_wrong");
    call()
        .session(&ada)
        .bearer(&key)
        .send()
        .await
        .problem(403, "admin_key_wrong");
    call()
        .admin()
        .bearer(&key)
        .send()
        .await
        .problem(400, "credentials_conflict");
    let other = AdminKey::new([8; 8], [8; 32]).reveal();
    let both = call().header("x-admin-secret", &other).bearer(&key).send().await;
    both.problem(400, "credentials_conflict");
    call().admin().bearer(&ada.token).send().await.expect(200);
    call().admin().bearer(secret).send().await.expect(200);
}
