//! What a token is worth elsewhere, and afterwards.

use crate::world::{CHAT, asking, somebody, stub};
use e2e_tests::provider_calls::provider_url;
use e2e_tests::stack::Stack;
use molt_common::id::SandboxId;
use molt_common::provider_token::ProviderClaims;
use molt_common::root_keys::RootKeys;
use molt_common::snapshot::{REPOSITORY_HOST, REPOSITORY_PATH};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub async fn a_stolen_token_opens_nothing_elsewhere(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let (thief, _) = somebody(&stack).await;
    let (body, mark) = asking("plain");
    let elsewhere = stack.ask_provider(&thief, &token, CHAT, &body).await;
    elsewhere.refused(401, "invalid_token");

    // On other routes: the repository, the platform's own paths at both names, and the gateway by its other name.
    let repository = format!(
        "http://{REPOSITORY_HOST}{REPOSITORY_PATH}/{}/restic/config",
        user.sandbox()
    );
    let bearer = "-H \"Authorization: Bearer $TOKEN\"";
    let answer = stack
        .curl_inside(&user, &token, "", &format!("{bearer} '{repository}'"))
        .await;
    assert_eq!(answer.json(401)["code"], "invalid_token");
    let led_elsewhere = provider_url(CHAT).replace("providers.molt.internal", REPOSITORY_HOST);
    for url in [
        led_elsewhere,
        "http://providers.molt.internal/".to_owned(),
        "http://providers.molt.internal/_molt/boot".to_owned(),
        "http://providers.molt.internal/internal/placement/x".to_owned(),
    ] {
        let answer = stack
            .curl_inside(
                &user,
                &token,
                &body.to_string(),
                &format!("{bearer} --data-binary \"$BODY\" '{url}'"),
            )
            .await;
        let code = answer.json(404)["code"].clone();
        assert!(code == "not_found" || code == "unknown_path", "{url}: {code}");
    }

    // From outside: at the public route, as an operator, and as a user.
    for path in ["/_molt/providers/openai/v1/chat/completions", "/_molt/providers"] {
        let outside = stack.post(path).bearer(&token).json(&body).send().await;
        outside.problem(404, "not_found");
        stack
            .post(path)
            .user(&user)
            .json(&body)
            .send()
            .await
            .problem(404, "not_found");
        stack
            .post(path)
            .admin()
            .json(&body)
            .send()
            .await
            .problem(404, "not_found");
    }
    let spelled = stack
        .post("/_molt/%70roviders/openai/v1/chat/completions")
        .bearer(&token)
        .json(&body)
        .send()
        .await;
    assert!(spelled.status >= 400, "{}", spelled.status);
    stack.get(&user.path("/state")).bearer(&token).send().await.expect(401);
    stack.get("/echo").bearer(&token).send().await.expect(401);
    assert!(stub().seen(&mark).is_empty(), "nothing was passed on");

    let good = stack.ask_provider(&user, &token, CHAT, &body).await;
    assert_eq!(good.status, 200, "{good:?}");
}

pub async fn a_token_is_over_with_its_start(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let generation = stack.generation(&user).await;
    let (body, mark) = asking("plain");
    assert_eq!(stack.ask_provider(&user, &token, CHAT, &body).await.status, 200);
    let reset = stack
        .begin_change(&user, "POST", "emergency-reset", &json!({"discardDisk": true}))
        .await;
    let ended = stack.job_ends(&reset).await;
    e2e_tests::changes::ended(&ended, "succeeded");
    let next = stack.provider_token(&user).await;
    let after = stack.generation(&user).await;
    assert!(after > generation, "another start");
    stack
        .ask_provider(&user, &token, CHAT, &body)
        .await
        .refused(401, "invalid_token");
    let future = stack.provider_token_of(&user, after + 1);
    stack
        .ask_provider(&user, &future, CHAT, &body)
        .await
        .refused(401, "invalid_token");
    assert_eq!(stack.ask_provider(&user, &next, CHAT, &body).await.status, 200);
    assert_eq!(stub().seen(&mark).len(), 2);
    stack.lifecycle(&user, "running", Duration::from_secs(5)).await;
}

pub async fn no_other_text_is_a_token(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let (body, mark) = asking("plain");
    let foreign =
        RootKeys::parse(&format!(r#"{{"current":"k1","keys":{{"k1":"{}"}}}}"#, "A".repeat(43))).expect("keys");
    let claims = ProviderClaims {
        sandbox: SandboxId::parse(&user.sandbox()).expect("an id"),
        generation: stack.generation(&user).await,
    };
    let forged = claims.mint(&foreign).expect("a token");
    let cut = token[..token.len() - 2].to_owned();
    for wrong in [forged, cut, user.token.clone(), stub().key.clone(), "x".into()] {
        stack
            .ask_provider(&user, &wrong, CHAT, &body)
            .await
            .refused(401, "invalid_token");
    }
    stack
        .ask_provider(&user, "", CHAT, &body)
        .await
        .refused(401, "authentication_required");
    assert!(stub().seen(&mark).is_empty());
}
