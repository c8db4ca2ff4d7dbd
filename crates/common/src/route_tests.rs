use super::{Auth, Flag, Page, REPOSITORY_PATH, TABLE, Target, find};
use crate::ownership::FENCE_PATH;
use crate::path::RESERVED;

fn target(method: &str, path: &str) -> Target {
    find(method, path).unwrap().target
}

#[test]
fn path_classes_are_those_operators_know() {
    assert_eq!(target("GET", "/health"), Target::Router(Page::Health));
    assert_eq!(target("HEAD", "/health"), Target::Router(Page::Health));
    assert_eq!(target("GET", "/health/"), Target::ContainerGateway);
    assert_eq!(target("GET", "/api/status"), Target::Router(Page::Status));
    for path in ["/api/super", "/api/super/", "/api/super/users/x"] {
        assert_eq!(target("PUT", path), Target::AdminApi, "{path}");
    }
    assert_eq!(target("GET", "/api/superx"), Target::ContainerGateway);
    assert_eq!(target("GET", "/_admin/"), Target::ContainerGateway);
    assert_eq!(target("PATCH", "/anything/else"), Target::ContainerGateway);
    assert_eq!(target("GET", "/webhooks/x"), Target::Router(Page::Reserved));
}

#[test]
fn flags_can_be_set_whatever_they_say() {
    for own in [
        "/api/super/flags",
        "/api/super/flags/USE_NEW_ADMIN_API/history",
        "/api/super/keys",
        "/api/super/keys/0",
        "/api/super/audit/verify",
        "/api/super/migration",
        "/api/super/recovery/export",
        "/api/super/openapi.json",
    ] {
        let route = find("PUT", own).unwrap();
        assert_eq!(
            (route.flag, route.target, route.auth),
            (None, Target::AdminApi, Auth::Admin),
            "{own}"
        );
    }
    for flagged in [
        "/api/super",
        "/api/super/users",
        "/api/super/flagsx",
        "/api/super/openapi.json/x",
    ] {
        assert_eq!(find("GET", flagged).unwrap().flag, Some(Flag::NewAdminApi), "{flagged}");
    }
    for page in ["/", "/_molt/boot", "/_admin"] {
        assert_eq!(
            find("GET", page).unwrap().flag,
            Some(Flag::NewContainerGateway),
            "{page}"
        );
    }
}

#[test]
fn no_clients_request_is_one_for_the_fence() {
    let id = "6f1f0c5e-2f53-4c44-9a0e-0f5a1f3f9a11";
    for path in [
        format!("{FENCE_PATH}{id}"),
        FENCE_PATH.into(),
        "/_molt/ownership".into(),
    ] {
        assert_eq!(target("PUT", &path), Target::Router(Page::Reserved), "{path}");
    }
    assert_eq!(find("PUT", &format!("/_molt//ownership/{id}")).unwrap_err().status, 400);
    assert_eq!(target("GET", "/_molt/ownerships"), Target::ContainerGateway);
}

#[test]
fn no_clients_request_is_one_for_a_provider() {
    for path in ["/_molt/providers", "/_molt/providers/openai/v1/chat/completions"] {
        for method in ["GET", "POST", "DELETE"] {
            assert_eq!(target(method, path), Target::Router(Page::Reserved), "{path}");
        }
    }
    for odd in [
        "/_molt//providers/openai/v1/models",
        "/_molt/%70roviders/x",
        "/_molt/Providers/x",
    ] {
        assert_eq!(find("POST", odd).unwrap_err().code, "ambiguous_path", "{odd}");
    }
}

#[test]
fn a_repository_is_reached_by_its_token_whatever_the_flags_say() {
    let sandbox = "sbx_0123456789abcdef0123456789abcdef";
    for path in [
        REPOSITORY_PATH.to_owned(),
        format!("{REPOSITORY_PATH}/{sandbox}/restic/config"),
        format!("{REPOSITORY_PATH}/{sandbox}/publish"),
    ] {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            let route = find(method, &path).unwrap();
            assert_eq!(
                (route.auth, route.flag, route.target),
                (Auth::Repository, None, Target::ContainerGateway),
                "{method} {path}"
            );
        }
    }
    for odd in [
        "/_molt//repository/x",
        "/_molt/Repository/x",
        "/_molt/%72epository/x",
        "/_molt/x/..%2frepository/x",
        "/_molt/repository/..%2fboot",
        "/_molt/repository/%2e%2e/boot",
    ] {
        assert_eq!(find("GET", odd).unwrap_err().status, 400, "{odd}");
    }
    assert_eq!(find("GET", "/_molt/repositoryx").unwrap().auth, Auth::User);
}

#[test]
fn a_wrong_method_is_405_and_an_odd_spelling_400() {
    assert_eq!(find("POST", "/health").unwrap_err().status, 405);
    assert_eq!(find("GET", "/login/development").unwrap_err().status, 405);
    assert_eq!(find("GET", "/api%2fsuper/users").unwrap_err().status, 400);
}

#[test]
fn a_users_restart_is_taken_from_pages_of_ours_alone() {
    for path in ["/_molt/restart", "/emergency-reset"] {
        let route = find("POST", path).unwrap();
        assert!(route.own_pages && route.auth == Auth::User, "{path}");
        assert_eq!(find("PUT", path).unwrap_err().status, 405);
    }
    assert!(!find("POST", "/anything").unwrap().own_pages);
}

#[test]
fn reserved_paths_never_reach_a_sandbox_without_their_own_row() {
    for prefix in RESERVED {
        let route = find("GET", prefix).unwrap();
        assert!(!matches!(route.path, super::Match::Any), "{prefix}");
    }
}

#[test]
fn whatever_leaves_the_router_is_authenticated() {
    for route in TABLE {
        if !matches!(route.target, Target::Router(_)) {
            assert_ne!(route.auth, Auth::None, "{route:?}");
        }
    }
}
