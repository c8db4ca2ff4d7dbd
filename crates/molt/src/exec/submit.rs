//! Submits work so that it is begun once, however often the connection breaks.

use crate::client::{Client, ClientError, Failed};
use crate::console::Console;
use crate::follow::Patience;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};
use ureq::http::Method;

/// For how long submitting is tried.
const TRIED: Duration = Duration::from_secs(120);

/// What was accepted: as it was answered, and read.
pub type Accepted<T> = (Value, T);

/// A key that nobody else has.
#[must_use]
pub fn new_key() -> String {
    format!("molt-{}", uuid::Uuid::new_v4())
}

/// `POST`s under an idempotency key, again and again until there is an answer.
///
/// # Errors
/// A refusal, or none that would be one after two minutes. If nobody listens at the address the first attempt is the last: nothing was sent.
pub fn submit<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    key: &str,
    body: &impl serde::Serialize,
    patience: Patience,
    console: &mut Console,
) -> Result<Accepted<T>, ClientError> {
    submit_with(client, Method::POST, path, key, body, patience, console)
}

/// The same with `POST` or `PUT`.
///
/// # Errors
/// As [`submit`].
pub fn submit_with<T: DeserializeOwned>(
    client: &Client,
    method: Method,
    path: &str,
    key: &str,
    body: &impl serde::Serialize,
    patience: Patience,
    console: &mut Console,
) -> Result<Accepted<T>, ClientError> {
    let begun = Instant::now();
    let mut patience = patience;
    let answer = loop {
        let (error, wait) = match client.try_send(&method, path, key, body) {
            Ok(answer) => break answer,
            Err(Failed::Lasting(error)) => return Err(error),
            Err(Failed::Passing {
                error,
                nobody_there: true,
                ..
            }) if patience.failures() == 0 => return Err(error),
            Err(Failed::Passing { error, wait, .. }) => (error, wait),
        };
        let pause = patience.pause(wait, fastrand::f64());
        if begun.elapsed() + pause > TRIED {
            console.say(&format!(
                "perhaps it was accepted all the same; --idempotency-key {key} with the same command tells, and runs it only once"
            ));
            return Err(error);
        }
        if patience.failures() == 1 {
            console.say(&format!("{error}; trying again"));
        }
        console.wait_for("submitting");
        thread::sleep(pause);
    };
    console.clear();
    match serde_json::from_value(answer.clone()) {
        Ok(read) => Ok((answer, read)),
        Err(_) => Err(ClientError::Unexpected(path.into(), answer.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::{Accepted, submit};
    use crate::client::Client;
    use crate::console::Console;
    use crate::follow::Patience;
    use crate::follow::scripted::{Answer, Server};
    use molt_common::api::ExecRequest;
    use molt_common::api::exec::ExecAccepted;
    use serde_json::json;
    use std::net::TcpListener;
    use std::time::Duration;

    fn submitted(url: &str) -> Result<Accepted<ExecAccepted>, crate::client::ClientError> {
        let client = Client::with_secret(url, "0123456789abcdef0123").unwrap();
        let request = ExecRequest {
            command: Some("true".into()),
            ..ExecRequest::default()
        };
        let patience = Patience::new(Duration::from_millis(1), Duration::from_millis(4));
        submit(&client, "/x", "key-1", &request, patience, &mut Console::mute())
    }

    #[test]
    fn every_attempt_has_the_same_key_and_body() {
        let accepted = json!({"userId": "ada00000-0000-4000-8000-000000000001", "command": "true", "execId": "exec_1",
                              "state": "queued", "status": "running", "async": true, "timestamp": "", "pollUrl": "/"});
        let server = Server::start(move |before, _| match before {
            0 => Answer::bytes(Vec::new()),
            1 => Answer::bytes(b"HTTP/1.1 202 Accepted\r\ncontent-length: 50\r\n\r\n{\"exec".to_vec()),
            2 => Answer::json("502 Bad Gateway", "<html>"),
            _ => Answer::json("202 Accepted", &accepted.to_string()),
        });
        let (answer, read) = submitted(&server.url).unwrap();
        assert_eq!((read.exec_id.as_str(), &answer["execId"]), ("exec_1", &json!("exec_1")));
        let asked = server.asked();
        assert_eq!(asked.len(), 4);
        for attempt in &asked {
            assert_eq!(attempt.line, "POST /x");
            let body: serde_json::Value = serde_json::from_str(&attempt.body).unwrap();
            assert_eq!(
                (attempt.key.as_deref(), body),
                (Some("key-1"), json!({"command": "true"}))
            );
        }
    }

    #[test]
    fn a_refusal_and_an_empty_address_end_it_at_once() {
        let server = Server::start(|_, _| Answer::json("422 Unprocessable Content", "{}"));
        assert!(submitted(&server.url).unwrap_err().to_string().contains("422"));
        assert_eq!(server.asked().len(), 1);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        assert!(submitted(&url).unwrap_err().to_string().contains(&url));
    }
}
