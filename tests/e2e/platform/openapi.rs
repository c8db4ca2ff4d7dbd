//! The description of the admin API that it serves itself.

use e2e_tests::stack::Stack;
use serde_json::Value;
use std::sync::Arc;

/// Every route that these tests use, with its method and the statuses that they rely on.
const USED: [(&str, &str, &[&str]); 30] = [
    ("/api/super/users", "get", &["200", "400"]),
    ("/api/super/users/lookup/{name}", "get", &["200", "404"]),
    ("/api/super/users/{id}/state", "get", &["200", "400", "404"]),
    ("/api/super/state/dashboard", "get", &["200", "400"]),
    (
        "/api/super/users/{id}/exec",
        "post",
        &["202", "400", "404", "413", "422", "429"],
    ),
    ("/api/super/users/{id}/exec", "get", &["200", "400"]),
    (
        "/api/super/users/{id}/exec-sync",
        "post",
        &["200", "202", "400", "404", "413", "422", "429", "503"],
    ),
    (
        "/api/super/users/{id}/exec/{execId}/output",
        "get",
        &["200", "204", "400", "404", "429"],
    ),
    (
        "/api/super/users/{id}/exec/{execId}/cancel",
        "post",
        &["202", "400", "404"],
    ),
    ("/api/super/users/{id}/exec/{execId}", "get", &["200", "400", "404"]),
    ("/api/super/users/{id}/exec/{execId}", "delete", &["202", "400", "404"]),
    (
        "/api/super/users/{id}/exec/{execId}/status",
        "get",
        &["200", "400", "404"],
    ),
    ("/api/super/users/{id}/state/v2", "get", &["200", "400", "404"]),
    (
        "/api/super/users/{id}/wake",
        "post",
        &["200", "202", "400", "403", "404", "409", "422", "503", "504"],
    ),
    (
        "/api/super/users/{id}/restart",
        "post",
        &["202", "400", "403", "404", "409", "422"],
    ),
    (
        "/api/super/users/{id}/restart-async",
        "post",
        &["202", "400", "403", "404", "409", "422"],
    ),
    (
        "/api/super/users/{id}/emergency-reset",
        "post",
        &["202", "400", "403", "404", "409", "422"],
    ),
    (
        "/api/super/users/{id}/destroy",
        "post",
        &["202", "400", "404", "409", "422"],
    ),
    (
        "/api/super/users/{id}/tier",
        "put",
        &["202", "400", "403", "404", "409", "422"],
    ),
    ("/api/super/users/{id}/image", "get", &["200", "400", "404"]),
    (
        "/api/super/users/{id}/image",
        "put",
        &["202", "400", "403", "404", "409", "422"],
    ),
    (
        "/api/super/users/{id}/keep-alive",
        "put",
        &["200", "400", "403", "404", "409"],
    ),
    ("/api/super/bulk/restart", "post", &["202", "400", "413", "422"]),
    ("/api/super/flags", "get", &["200"]),
    ("/api/super/flags/{name}", "get", &["200", "404"]),
    ("/api/super/flags/{name}", "put", &["200", "400", "404", "409", "412"]),
    ("/api/super/flags/{name}", "delete", &["200", "400", "404", "412"]),
    ("/api/super/flags/{name}/history", "get", &["200", "400", "404"]),
    (
        "/api/super/flags/{name}/undo",
        "post",
        &["200", "400", "404", "409", "412"],
    ),
    ("/api/super/flags/{name}/evaluate", "get", &["200", "400", "404"]),
];

/// Every `$ref` below a value.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|inner| references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

pub async fn the_document_describes_every_admin_route(stack: Arc<Stack>) {
    let document = stack.get("/api/super/openapi.json").admin().send().await.json(200);
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1")),
        "{}",
        document["openapi"]
    );
    for field in [
        "/info/title",
        "/info/version",
        "/components/schemas",
        "/components/securitySchemes/adminSecret",
    ] {
        assert!(document.pointer(field).is_some(), "{field} is missing");
    }
    for (path, method, statuses) in USED {
        let operation = &document["paths"][path][method];
        assert!(operation["operationId"].is_string(), "{method} {path} is not described");
        for status in statuses {
            assert!(
                operation["responses"][status].is_object(),
                "{method} {path} does not tell of {status}"
            );
        }
        let parameters = operation["parameters"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for name in path.split(['{', '}']).skip(1).step_by(2) {
            let described = parameters
                .iter()
                .any(|given| given["name"] == name && given["in"] == "path" && given["required"] == true);
            assert!(described, "{method} {path} does not describe {name}");
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference
            .strip_prefix('#')
            .unwrap_or_else(|| panic!("{reference} leads elsewhere"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}
