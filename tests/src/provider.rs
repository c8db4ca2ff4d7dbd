//! An issuer's key endpoint on loopback: it publishes keys, counts who asks, and can be in trouble.

use crate::signing_key::SigningKey;
use serde_json::{Value, json};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// As it should.
    None,
    /// 500.
    Fails,
    /// Takes the request and never answers.
    Hangs,
    /// Begins an answer and never ends it.
    HangsMidway,
    /// An answer without end.
    Huge,
    /// 200 with what is no key set.
    Garbage,
    /// To the same keys at another path.
    Redirects,
}

struct State {
    published: Value,
    trouble: Trouble,
    fetches: u32,
}

/// A provider that runs until the process ends.
pub struct KeyProvider {
    url: String,
    state: Arc<Mutex<State>>,
}

impl KeyProvider {
    /// Starts it on a free port. It answers alike at every path.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(keys: &[&SigningKey]) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State {
            published: document(keys),
            trouble: Trouble::None,
            fetches: 0,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve(listener, shared));
        });
        Self { url, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds this")
    }

    /// Its address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Address of its keys.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks.json", self.url)
    }

    /// What it publishes from now on.
    pub fn publish(&self, keys: &[&SigningKey]) {
        self.state().published = document(keys);
    }

    /// How it answers from now on.
    pub fn trouble(&self, trouble: Trouble) {
        self.state().trouble = trouble;
    }

    /// How often it was asked so far.
    #[must_use]
    pub fn fetches(&self) -> u32 {
        self.state().fetches
    }
}

/// A key set as issuers publish it, with neighbours that nobody may verify with.
#[must_use]
pub fn document(keys: &[&SigningKey]) -> Value {
    let mut list: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    list.push(
        json!({"kty": "oct", "kid": "shared", "alg": "HS256", "k": "cHVibGlzaGVkLWJ5LW1pc3Rha2UtMzItYnl0ZXMtbG9uZw"}),
    );
    list.push(json!({"kty": "AKP", "kid": "future", "alg": "ML-DSA-44", "pub": "AAAA"}));
    json!({"keys": list, "public_certs": []})
}

async fn serve(listener: std::net::TcpListener, state: Arc<Mutex<State>>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // A connection that breaks is the caller's to notice.
        tokio::spawn(async move { drop(answer(stream, &state).await) });
    }
}

async fn answer(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (trouble, body) = {
        let mut state = state.lock().expect("no panic");
        state.fetches += 1;
        (state.trouble, state.published.to_string())
    };
    // Redirected once, so that whoever follows finds good keys.
    let trouble = if head.starts_with(b"GET /elsewhere") {
        Trouble::None
    } else {
        trouble
    };
    let whole = |status: &str, more: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\n\r\n{body}"
        )
    };
    let open = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n";
    let text = match trouble {
        Trouble::None => whole("200 OK", "", &body),
        Trouble::Fails => whole("500 Internal Server Error", "", &body),
        Trouble::Garbage => whole("200 OK", "", "<html>sign in to the network</html>"),
        Trouble::Redirects => whole("302 Found", "location: /elsewhere\r\n", ""),
        Trouble::Hangs => return forever(stream).await,
        Trouble::HangsMidway => {
            stream.write_all(format!("{open}{}", &body[..10]).as_bytes()).await?;
            return forever(stream).await;
        }
        Trouble::Huge => {
            // Good keys in front: whoever stops reading somewhere must not take them for the whole.
            stream.write_all(format!("{open}{body}").as_bytes()).await?;
            loop {
                stream.write_all(&[b' '; 4096]).await?;
            }
        }
    };
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// Until the other side has had enough.
async fn forever(mut stream: TcpStream) -> io::Result<()> {
    let mut rest = [0; 64];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}
