//! What does not depend on flags, and what says how they stand.

use e2e_tests::flags::{ADMIN, GATEWAY, killed, percent};
use e2e_tests::stack::Stack;
use serde_json::json;
use std::sync::Arc;

pub async fn the_control_plane_is_reached_whatever_the_flags_say(stack: Arc<Stack>) {
    stack.forget_flags().await;
    stack.flags_are_seen(stack.set_flag(ADMIN, killed()).await).await;
    for url in &stack.ready.urls {
        for path in [
            "/api/super/flags",
            "/api/super/keys",
            "/api/super/audit/verify?chain=control-plane",
            "/api/super/openapi.json",
        ] {
            let reply = stack.call_at(url, "GET", path).admin().send().await;
            assert_eq!((reply.status, reply.backend()), (200, "admin"), "{path}");
            assert!(
                !reply.headers.contains_key("x-molt-flags-version"),
                "no flag decided about {path}"
            );
            // As strict as ever.
            let nobody = stack.call_at(url, "GET", path).send().await;
            assert_eq!((nobody.status, nobody.backend()), (401, "router"), "{path}");
        }
        let flagged = stack.call_at(url, "GET", "/api/super/users").admin().send().await;
        assert_eq!((flagged.status, flagged.backend()), (200, "legacy"));
    }
    stack.forget_flags().await;
}

pub async fn the_status_shows_how_flags_stand(stack: Arc<Stack>) {
    stack.forget_flags().await;
    let status = async || stack.get("/api/status").send().await.json(200);
    let var = status().await;
    assert_eq!(var["legacy"], true);
    assert_eq!(var["flags"][GATEWAY], json!({"on": "none", "source": "var"}));
    assert_eq!(
        var["featureFlags"],
        json!({"useNewAdminApi": false, "useNewContainerGateway": false})
    );
    stack.set_flag(ADMIN, percent(100)).await;
    let version = stack.set_flag(GATEWAY, percent(30)).await;
    stack.flags_are_seen(version).await;
    let set = status().await;
    let expected = json!({
        "version": version,
        ADMIN: {"on": "all", "source": "control-plane"}, GATEWAY: {"on": "some", "source": "control-plane"},
    });
    assert_eq!(set["flags"], expected);
    // Somebody who reads the older fields must not take a part for the whole.
    assert_eq!(
        set["featureFlags"],
        json!({"useNewAdminApi": true, "useNewContainerGateway": false})
    );
    stack.forget_flags().await;
}

pub async fn a_preflight_is_answered_for_everybody(stack: Arc<Stack>) {
    stack.forget_flags().await;
    let ask = async || {
        let call = stack.call("OPTIONS", "/echo").header("origin", &stack.ready.url);
        call.header("access-control-request-method", "GET").send().await
    };
    // Nobody can tell for whom it asks. It is not sent to the side that he may not be on.
    stack.flags_are_seen(stack.set_flag(GATEWAY, percent(30)).await).await;
    assert_eq!(ask().await.backend(), "router");
    stack.flags_are_seen(stack.set_flag(GATEWAY, killed()).await).await;
    assert_eq!(ask().await.backend(), "legacy");
    stack.forget_flags().await;
}
