//! Who may do what with a repository.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e_tests::corpus::entries;
use e2e_tests::stack::Stack;
use molt_common::repository_keys::RepositoryKeys;
use molt_common::repository_token::{Access, RepositoryClaims};
use molt_common::snapshot::ObjectId;
use molt_common::time::Millis;
use std::sync::Arc;

pub async fn who_has_no_right_token_gets_nothing(stack: Arc<Stack>) {
    let (user, other) = (stack.new_user().await, stack.new_user().await);
    let (repository, foreign) = (stack.repository(&user), stack.repository(&other));
    let id = repository.store("data", b"saved".to_vec()).await;
    let path = format!("restic/data/{id}");
    let full = repository.claims(Access::Full);
    let ended = RepositoryClaims {
        until: Millis(e2e_tests::people::now() * 1_000 - 1),
        ..full.clone()
    };
    let other_keys = format!(r#"{{"current":"k1","keys":{{"k1":"{}"}}}}"#, "A".repeat(43));
    let forged = full.mint(&RepositoryKeys::parse(&other_keys).unwrap()).unwrap();
    let cases = [
        (forged, 401, "invalid_token"),
        (user.token.clone(), 401, "invalid_token"),
        (stack.ready.admin_secret.clone(), 401, "invalid_token"),
        (repository.token_of(&ended), 401, "token_ended"),
        (foreign.token(Access::Full), 403, "other_sandbox"),
    ];
    for method in ["GET", "POST", "DELETE"] {
        let bare = repository.bare(method, &path).send().await;
        bare.problem(401, "authentication_required");
        for (token, status, code) in &cases {
            let answer = repository.bare(method, &path).bearer(token).send().await;
            answer.problem(*status, code);
        }
    }
    let read = repository.call(Access::Read, "GET", &path).send().await;
    assert_eq!(read.expect(200).text(), "saved");
}

pub async fn no_other_text_is_a_token(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    for entry in entries("tokens.txt") {
        // What is no value of a header is refused before it comes here.
        let Ok(token) = String::from_utf8(entry) else { continue };
        if !token.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            continue;
        }
        let basic = STANDARD.encode(format!("x:{token}"));
        for credential in [
            format!("Bearer {token}"),
            format!("Basic {basic}"),
            format!("Basic {token}"),
            token.clone(),
        ] {
            let call = repository
                .bare("GET", "restic/config")
                .header("authorization", &credential);
            let status = call.send().await.status;
            assert!(matches!(status, 401 | 431), "{credential}: {status}");
        }
    }
}

pub async fn a_token_does_what_its_access_says(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let id = repository.store("data", b"saved".to_vec()).await;
    let lock = repository.store("locks", b"lock".to_vec()).await;
    let path = format!("restic/data/{id}");
    let new = format!("restic/data/{}", ObjectId::of(b"new"));
    let refused = [
        (Access::Read, "POST", new.as_str()),
        (Access::Read, "POST", "restic/config"),
        (Access::Read, "POST", "restic/?create=true"),
        (Access::Read, "POST", "publish"),
        (Access::Read, "DELETE", path.as_str()),
        (Access::Append, "DELETE", path.as_str()),
        (Access::Append, "DELETE", "restic/config"),
    ];
    for (access, method, rest) in refused {
        let answer = repository.call(access, method, rest).body("new").send().await;
        answer.problem(403, "access_denied");
    }
    let remove = |access| {
        repository
            .call(access, "DELETE", &format!("restic/locks/{lock}"))
            .send()
    };
    remove(Access::Read).await.problem(403, "access_denied");
    remove(Access::Append).await.expect(200);
    assert_eq!(repository.names("locks").await, Vec::<String>::new());
    assert_eq!(repository.names("data").await, [id.to_string()]);
}

pub async fn nothing_but_the_token_counts(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let repository = stack.repository(&user);
    let id = repository.store("data", b"saved".to_vec()).await;
    let path = format!("restic/data/{id}");
    // Neither the person whose sandbox it is nor an operator gets in by what opens other doors.
    repository.bare("GET", &path).session(&user).send().await.expect(401);
    repository.bare("GET", &path).admin().send().await.expect(401);
    repository
        .bare("GET", &path)
        .browser()
        .send()
        .await
        .problem(401, "authentication_required");
    let token = repository.token(Access::Read);
    let query = repository.bare("GET", &format!("{path}?token={token}")).send().await;
    query.expect(401);
    let cookie = repository
        .bare("GET", &path)
        .header("cookie", &format!("sb-access-token={token}"));
    cookie.send().await.expect(401);
    let basic = STANDARD.encode(format!("anybody:{token}"));
    let basic = repository
        .bare("GET", &path)
        .header("authorization", &format!("Basic {basic}"));
    let answer = basic.header("origin", "https://elsewhere.example").send().await;
    assert_eq!(answer.expect(200).text(), "saved");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "",
        "no page of another origin reads it"
    );
}
