//! Who may call the admin API: a holder of the admin secret, and nobody else.

use e2e_tests::stack::Stack;
use std::sync::Arc;

pub async fn the_admin_secret_is_asked_for(stack: Arc<Stack>) {
    let secret = &stack.ready.admin_secret;
    let ada = stack.seeded("Ada");
    let calls = [
        ("GET", "/api/super/users".to_owned()),
        ("GET", "/api/super/openapi.json".into()),
        ("GET", "/api/super/state/dashboard".into()),
        ("GET", ada.path("/state")),
        ("POST", ada.path("/exec")),
        ("GET", "/api/super/nothing".into()),
        ("GET", "/api/super".into()),
    ];
    for (method, path) in &calls {
        let call = || stack.call(method, path);
        for missing in [call(), call().header("x-admin-secret", ""), call().bearer(secret)] {
            let reply = missing.send().await;
            assert_eq!(
                reply.problem(401, "admin_secret_missing")["error"],
                "Super admin access required",
                "{path}"
            );
        }
        for wrong in [
            "wrong",
            &secret[1..],
            &format!("{secret}x"),
            &secret.to_uppercase(),
            &format!("{secret}, {secret}"),
        ] {
            call()
                .header("x-admin-secret", wrong)
                .send()
                .await
                .problem(403, "admin_secret_wrong");
        }
        call()
            .header("x-admin-secret", "wrong")
            .header("x-admin-secret", secret)
            .send()
            .await
            .expect(403);
    }
}

pub async fn a_users_token_opens_no_admin_route(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    for path in ["/api/super/users", "/api/super/state/dashboard", &ada.path("/state")] {
        stack
            .get(path)
            .session(&ada)
            .send()
            .await
            .problem(401, "admin_secret_missing");
        stack
            .get(path)
            .user(&ada)
            .browser()
            .send()
            .await
            .problem(401, "admin_secret_missing");
        stack
            .get(path)
            .header("x-admin-secret", &ada.token)
            .send()
            .await
            .problem(403, "admin_secret_wrong");
    }
}

pub async fn the_admin_secret_opens_no_sandbox(stack: Arc<Stack>) {
    for path in ["/", "/echo", "/_molt/boot", "/_admin/"] {
        stack
            .get(path)
            .admin()
            .send()
            .await
            .problem(401, "authentication_required");
    }
}
