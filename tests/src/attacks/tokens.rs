//! Tokens of users that are none.

use super::{Cast, Ledger};
use crate::people::{now, sign_with, unsigned};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

const PATH: &str = "/_molt/boot";

pub async fn run(ledger: &mut Ledger<'_>, cast: &Cast) {
    let stack = ledger.stack;
    let good = stack.claims(&cast.ada.id);
    let with = |changes: &[(&str, Value)]| {
        let mut claims = good.clone();
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        stack.sign(&claims)
    };
    let key = &stack.secrets.user_tokens;
    let identity_key = stack
        .secrets
        .all()
        .into_iter()
        .find(|secret| secret != key)
        .unwrap_or_default();
    let (body, _) = cast.ada.token.rsplit_once('.').expect("a token of three parts");
    let none = |alg: &str| unsigned(&json!({"alg": alg, "typ": "JWT"}), &good);
    let tokens = [
        (
            "21",
            "the site's public anon token",
            with(&[("role", json!("anon")), ("sub", Value::Null)]),
        ),
        ("21", "an anon token with a user id", with(&[("role", json!("anon"))])),
        ("21", "the service_role token", with(&[("role", json!("service_role"))])),
        ("21", "a token of another audience", with(&[("aud", json!("anon"))])),
        ("21", "a token without audience", with(&[("aud", Value::Null)])),
        ("21", "sub \"undefined\"", with(&[("sub", json!("undefined"))])),
        (
            "21",
            "sub is the nil UUID",
            with(&[("sub", json!("00000000-0000-0000-0000-000000000000"))]),
        ),
        (
            "21",
            "sub \"../\" and another user",
            with(&[("sub", json!(format!("../{}", cast.ben.id)))]),
        ),
        ("-", "another issuer", with(&[("iss", json!("https://issuer.example"))])),
        ("-", "expired", with(&[("exp", json!(now() - 3600))])),
        ("-", "never expires", with(&[("exp", Value::Null)])),
        (
            "-",
            "not valid before tomorrow",
            with(&[("nbf", json!(now() + 86_400))]),
        ),
        ("-", "alg none", none("none")),
        ("-", "alg nOnE", none("nOnE")),
        (
            "-",
            "HS512 by the right secret",
            sign_with(&good, Algorithm::HS512, key),
        ),
        ("-", "signature cut off", format!("{body}.")),
        (
            "20",
            "signed with the admin secret",
            sign_with(&good, Algorithm::HS256, &stack.ready.admin_secret),
        ),
        (
            "20",
            "signed with a key of the workers",
            sign_with(&good, Algorithm::HS256, &identity_key),
        ),
        (
            "20",
            "the admin secret as a user's token",
            stack.ready.admin_secret.clone(),
        ),
        ("20", "an admin key as a user's token", cast.reader.clone()),
        ("-", "a token of 9,000 bytes", format!("{body}.{}", "a".repeat(9_000))),
    ];
    for (weakness, what, token) in tokens {
        let attack = format!("user token: {what}");
        ledger
            .answered(weakness, &attack, &[401], stack.get(PATH).bearer(&token))
            .await;
        // A cookie with a control character is no cookie; all of these are plain.
        let cookie = format!("sb-access-token={token}");
        let attack = format!("session cookie: {what}");
        ledger
            .answered(weakness, &attack, &[401], stack.get(PATH).header("cookie", &cookie))
            .await;
    }
    let good = &cast.ada.token;
    let in_url = format!("{PATH}?token={good}&access_token={good}");
    ledger
        .answered("32", "a good token in the URL", &[401], stack.get(&in_url))
        .await;
    let call = stack.get(PATH).bearer(good).bearer("a.b.c");
    ledger.answered("-", "two Authorization headers", &[401], call).await;
    let call = stack.get(PATH).bearer(&cast.revoked).session(&cast.ada);
    ledger
        .answered("-", "a bad bearer in front of a good cookie", &[401], call)
        .await;
    let call = stack.get(PATH).header("cf-access-jwt-assertion", good);
    ledger
        .answered("-", "a good token as an Access assertion", &[401], call)
        .await;
}
