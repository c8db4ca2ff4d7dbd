//! Sessions that were ended, and tokens that look like others.

use crate::world::{KEYS, somebody, status};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e_tests::stack::Stack;
use p256::ecdsa::Signature;
use std::sync::Arc;

/// The same token with the other signature that ECDSA accepts: (r, n - s) for (r, s). Anybody can make it without the key.
fn twin(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("a token of three parts");
    let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let signature = Signature::from_slice(&bytes).expect("a signature");
    let (r, s) = signature.split_scalars();
    let twin = Signature::from_scalars(r.to_bytes(), (-s).to_bytes()).expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(twin.to_bytes()))
}

pub async fn an_ended_session_stays_ended_under_another_signature(stack: Arc<Stack>) {
    let mut claims = somebody(&stack);
    // Without an id a session is known by its token.
    claims.as_object_mut().expect("claims").remove("session_id");
    let token = KEYS.es256.token(&claims);
    let twin = twin(&token);
    assert_ne!(token, twin);
    for token in [&token, &twin] {
        assert_eq!(status(&stack, token).await, 200);
    }
    let out = stack.post("/logout").header("origin", &stack.ready.url);
    let out = out.header("cookie", &format!("sb-access-token={token}")).send().await;
    assert!((200..400).contains(&out.status), "{}", out.text());
    for (what, token) in [("the token", &token), ("its twin", &twin)] {
        assert_eq!(status(&stack, token).await, 401, "{what}");
    }
}
