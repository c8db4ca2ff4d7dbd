//! The script in the agent's pages.

use reqwest::{Method, Response, StatusCode};

use crate::support::Sandbox;

const TAG: &str = "<head><script src=\"/_molt/assets/socket.js\" data-resume=\"off\"></script><meta charset=\"utf-8\">";

async fn asked(sandbox: &Sandbox, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = headers
        .iter()
        .fold(sandbox.proxy(method, path), |request, (name, value)| {
            request.header(*name, *value)
        });
    request.send().await.unwrap()
}

fn length(answer: &Response) -> Option<&str> {
    Some(answer.headers().get("content-length")?.to_str().unwrap())
}

#[tokio::test]
async fn documents_get_the_script_and_nothing_else_does() {
    let sandbox = Sandbox::ready().await;
    let navigates = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

    let page = asked(&sandbox, Method::GET, "/", &navigates).await;
    assert_eq!((page.status(), length(&page)), (StatusCode::OK, None));
    assert!(page.headers().contains_key("content-security-policy"));
    assert!(page.text().await.unwrap().contains(TAG));

    let head = asked(&sandbox, Method::HEAD, "/", &navigates).await;
    assert_eq!(length(&head), None, "a length that the page would not have");
    assert_eq!(head.bytes().await.unwrap().len(), 0);

    let fetched = asked(
        &sandbox,
        Method::GET,
        "/",
        &[("sec-fetch-mode", "cors"), ("accept", "text/html")],
    )
    .await;
    let stated = length(&fetched).map(|length| length.parse::<usize>().unwrap());
    let text = fetched.text().await.unwrap();
    assert_eq!(stated, Some(text.len()));
    assert!(!text.contains("/_molt/"));

    let data = asked(&sandbox, Method::GET, "/echo", &navigates).await;
    let echo: serde_json::Value = data.json().await.unwrap();
    assert_eq!(echo["method"], "GET");
}

#[tokio::test]
async fn the_script_is_told_whether_sockets_resume() {
    let sandbox = Sandbox::of_vars("echo", &[(molt_common::control::env::SOCKET_RESUME, "on")]).await;
    let page = asked(&sandbox, Method::GET, "/", &[("accept", "text/html")]).await;
    assert!(page.text().await.unwrap().contains("data-resume=\"on\""));
}
