//! Admin worker and gateway called without the router: they accept its signed identity for exactly one call, and nothing else.

use e2e_tests::call::Call;
use e2e_tests::people::{now, sign_with, unsigned};
use e2e_tests::stack::Stack;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::sync::Arc;

/// One call that a backend would answer with 200, and the claims of an identity for it.
struct Target {
    backend: &'static str,
    path: String,
    claims: Value,
}

fn targets(stack: &Stack) -> [Target; 2] {
    let ada = stack.seeded("Ada");
    let claims = |sub: &str, kind: &str, scopes: &[&str], path: &str| {
        json!({
            "sub": sub, "kind": kind, "scopes": scopes, "rid": "req_direct", "until": (now() + 20) * 1000, "method": "GET", "path": path,
        })
    };
    let (users, boot) = ("/api/super/users", "/_molt/boot");
    [
        Target {
            backend: "admin",
            path: users.into(),
            claims: claims("bootstrap", "admin", &["*"], users),
        },
        Target {
            backend: "container-gateway",
            path: boot.into(),
            claims: claims(&ada.id, "user", &[], boot),
        },
    ]
}

/// Key id and key that sign just now.
fn current_key(stack: &Stack) -> (String, String) {
    let keys = &stack.secrets.identity_keys;
    let id = keys["current"].as_str().expect("a key id");
    (id.into(), keys["keys"][id].as_str().expect("a key").into())
}

fn sign(claims: &Value, kid: &str, key: &str, algorithm: Algorithm) -> String {
    let mut header = Header::new(algorithm);
    header.kid = Some(kid.into());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(key.as_bytes())).expect("a token")
}

fn call<'a>(stack: &'a Stack, target: &Target, identity: Option<&str>) -> Call<'a> {
    let call = stack.call_at(&stack.ready.address(target.backend), "GET", &target.path);
    match identity {
        Some(identity) => call.header("x-molt-identity", identity),
        None => call,
    }
}

fn changed(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

pub async fn a_backend_accepts_only_the_routers_identity_for_this_call(stack: Arc<Stack>) {
    let (kid, key) = current_key(&stack);
    for target in targets(&stack) {
        let good = sign(&target.claims, &kid, &key, Algorithm::HS256);
        // The claims are good, so each refusal below is for the one thing that was changed.
        assert_eq!(
            call(&stack, &target, Some(&good)).open().await.status(),
            200,
            "{}",
            target.backend
        );
        let (body, signature) = good.rsplit_once('.').expect("three parts");
        let far = (now() + 3600) * 1000;
        let past = (now() - 60) * 1000;
        let other_kind = if target.backend == "admin" { "user" } else { "admin" };
        let resigned =
            |name: &str, value: Value| sign(&changed(&target.claims, name, value), &kid, &key, Algorithm::HS256);
        let forged = [
            ("no signature", format!("{body}.")),
            (
                "half a signature",
                format!("{body}.{}", &signature[..signature.len() / 2]),
            ),
            (
                "alg none",
                unsigned(&json!({"alg": "none", "kid": kid}), &target.claims),
            ),
            ("another algorithm", sign(&target.claims, &kid, &key, Algorithm::HS512)),
            ("an unknown key id", sign(&target.claims, "k9", &key, Algorithm::HS256)),
            (
                "a key id that is a path",
                sign(&target.claims, "../k1", &key, Algorithm::HS256),
            ),
            (
                "another key",
                sign(&target.claims, &kid, &"x".repeat(43), Algorithm::HS256),
            ),
            (
                "the admin secret as key",
                sign(&target.claims, &kid, &stack.ready.admin_secret, Algorithm::HS256),
            ),
            (
                "the users' key",
                sign(&target.claims, &kid, &stack.secrets.user_tokens, Algorithm::HS256),
            ),
            ("no key id", sign_with(&target.claims, Algorithm::HS256, &key)),
            ("another path", resigned("path", json!("/api/super/state/dashboard"))),
            ("another method", resigned("method", json!("POST"))),
            ("another kind", resigned("kind", json!(other_kind))),
            ("a service", resigned("kind", json!("service"))),
            ("too old", resigned("until", json!(past))),
            ("good for an hour", resigned("until", json!(far))),
            ("no subject", changed(&target.claims, "sub", Value::Null).to_string()),
            ("a user's token", stack.seeded("Ada").token),
            ("empty", String::new()),
            ("twice", format!("{good}, {good}")),
        ];
        for (what, identity) in forged {
            let answer = call(&stack, &target, Some(&identity)).open().await;
            assert_eq!(answer.status(), 401, "{}: {what}", target.backend);
        }
        let bare = call(&stack, &target, None).header("x_molt_identity", &good);
        assert_eq!(bare.open().await.status(), 401, "{}: an underscore", target.backend);
        let credentials = call(&stack, &target, None).admin().user(&stack.seeded("Ada"));
        assert_eq!(
            credentials.open().await.status(),
            401,
            "{}: credentials",
            target.backend
        );
    }
}
