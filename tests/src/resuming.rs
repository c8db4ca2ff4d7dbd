//! A client of the protocol of resuming sockets (`molt_common::resume`), as the script in the agent's page is one.

use crate::people::User;
use crate::stack::Stack;
use futures_util::{SinkExt, StreamExt};
use molt_common::resume::{
    ACK_AFTER_MS, ACK_EVERY_MESSAGES, CLOSE_GONE, FromClient, FromServer, SUBPROTOCOL, WINDOW_BYTES, cost,
    reconnect_after_ms,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::tungstenite::http::header::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long one attempt to connect may take, its welcome included: the platform holds a socket for half a minute.
const ATTEMPT: Duration = Duration::from_secs(40);
/// Messages that wait to be sent.
const WAITING: usize = 64;

/// What happens to a client.
#[derive(Debug)]
pub enum Happened {
    /// A message of the agent.
    Said(String),
    /// It has a connection again.
    Reconnected(Recovery),
    /// It is over: code, reason and when to try again.
    Closed(u16, String, Option<u64>),
}

/// How long a client was without a connection.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    /// When the connection was gone.
    pub broke: Instant,
    /// From then to the welcome.
    pub took: Duration,
    /// From the start of the attempt that succeeded to the welcome.
    pub attempt: Duration,
    /// Attempts that failed before.
    pub failed: u32,
}

/// A socket that outlives its connections. Ends when it is dropped.
pub struct Resuming {
    say: mpsc::Sender<String>,
    happened: mpsc::UnboundedReceiver<Happened>,
    cut: mpsc::Sender<()>,
}

/// Says, from another task, what goes to the agent.
pub type Mouth = mpsc::Sender<String>;
/// Cuts, from another task, the connection without a word.
pub type Scissors = mpsc::Sender<()>;

impl Resuming {
    /// Opens one to a user's sandbox, and waits for its first welcome.
    ///
    /// # Panics
    /// When there is none.
    pub async fn open(stack: &Stack, user: &User) -> Self {
        let authority = stack.authority().to_owned();
        let token = user.token.clone();
        let (say, said) = mpsc::channel(WAITING);
        let (tell, happened) = mpsc::unbounded_channel();
        let (cut, cuts) = mpsc::channel(1);
        let mut client = Client {
            authority,
            token,
            session: None,
            outbox: VecDeque::new(),
            first: 0,
            sent: 0,
            received: 0,
            acknowledged: 0,
            tell,
        };
        let connection = client
            .connect()
            .await
            .unwrap_or_else(|error| panic!("no socket: {error}"));
        tokio::spawn(client.run(connection, said, cuts));
        Self { say, happened, cut }
    }

    /// The next thing that happens; `None` after the end.
    pub async fn next(&mut self) -> Option<Happened> {
        self.happened.recv().await
    }

    /// A way to speak.
    #[must_use]
    pub fn mouth(&self) -> Mouth {
        self.say.clone()
    }

    /// A way to cut the connection, as a network does.
    #[must_use]
    pub fn scissors(&self) -> Scissors {
        self.cut.clone()
    }
}

type Connection = WebSocketStream<TcpStream>;

struct Client {
    authority: String,
    token: String,
    session: Option<String>,
    outbox: VecDeque<String>,
    /// Number of the oldest in the outbox.
    first: u64,
    /// How many of the outbox were sent on this connection.
    sent: usize,
    received: u64,
    acknowledged: u64,
    tell: mpsc::UnboundedSender<Happened>,
}

/// Why a connection is over.
enum Over {
    /// Broken: another one goes on.
    Broken,
    /// For good.
    Ended,
}

impl Client {
    fn request(&self) -> Request<()> {
        let mut request = format!("ws://{}/socket", self.authority)
            .into_client_request()
            .expect("a URL");
        let headers = request.headers_mut();
        let bearer = format!("Bearer {}", self.token);
        headers.insert("authorization", HeaderValue::from_str(&bearer).expect("a token"));
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        request
    }

    /// One attempt: a connection that was welcomed. `Ok(None)` is impossible; an error says what was in the way.
    async fn connect(&mut self) -> Result<Connection, String> {
        let attempt = async {
            let stream = TcpStream::connect(&self.authority)
                .await
                .map_err(|error| error.to_string())?;
            let shaken = client_async(self.request(), stream).await;
            let (mut socket, answer) = shaken.map_err(|error| error.to_string())?;
            let chosen = answer.headers().get("sec-websocket-protocol");
            if chosen.is_none_or(|name| name != SUBPROTOCOL) {
                return Err("the platform did not take the subprotocol".to_owned());
            }
            let hello = FromClient::Hello {
                session: self.session.clone(),
                received: self.received,
            };
            socket.send(control(&hello)).await.map_err(|error| error.to_string())?;
            loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => return Ok((socket, text.to_string())),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => return Err(format!("no welcome but {other:?}")),
                }
            }
        };
        let (socket, text) = timeout(ATTEMPT, attempt).await.map_err(|late| late.to_string())??;
        match word(&text) {
            Some(FromServer::Welcome(welcome)) => {
                assert_eq!(
                    welcome.resumed,
                    self.session.is_some(),
                    "it goes on exactly when it was asked to"
                );
                self.session = Some(welcome.session);
                self.acknowledge(welcome.received);
                self.sent = 0;
                self.acknowledged = self.received;
                Ok(socket)
            }
            Some(FromServer::Gone { reason, .. }) => {
                let _ = self.tell.send(Happened::Closed(CLOSE_GONE, reason.clone(), None));
                Err(reason)
            }
            Some(FromServer::Close {
                code,
                reason,
                retry_after_ms,
            }) => {
                let _ = self.tell.send(Happened::Closed(code, reason.clone(), retry_after_ms));
                Err(reason)
            }
            _ => Err(format!("no welcome: {text}")),
        }
    }

    fn acknowledge(&mut self, received: u64) {
        let count = received
            .checked_sub(self.first)
            .and_then(|count| usize::try_from(count).ok());
        let count = count.filter(|count| *count <= self.outbox.len());
        let count = count.expect("the server acknowledges what was sent, and takes nothing back");
        self.outbox.drain(..count);
        self.first = received;
        self.sent = self.sent.saturating_sub(count);
    }

    fn has_room(&self) -> bool {
        self.outbox.iter().map(|text| cost(text.len() as u64)).sum::<u64>() < WINDOW_BYTES / 2
    }

    async fn run(mut self, first: Connection, mut said: mpsc::Receiver<String>, mut cuts: mpsc::Receiver<()>) {
        let mut connection = first;
        loop {
            if let Over::Ended = self.talk(connection, &mut said, &mut cuts).await {
                return;
            }
            let broke = Instant::now();
            let mut failed = 0;
            connection = loop {
                sleep(Duration::from_millis(reconnect_after_ms(failed, random()))).await;
                let begun = Instant::now();
                match self.connect().await {
                    Ok(connection) => {
                        let recovery = Recovery {
                            broke,
                            took: broke.elapsed(),
                            attempt: begun.elapsed(),
                            failed,
                        };
                        let _ = self.tell.send(Happened::Reconnected(recovery));
                        break connection;
                    }
                    Err(_) if self.tell.is_closed() => return,
                    Err(_) => failed += 1,
                }
            };
        }
    }

    async fn talk(
        &mut self,
        mut connection: Connection,
        said: &mut mpsc::Receiver<String>,
        cuts: &mut mpsc::Receiver<()>,
    ) -> Over {
        let mut tick = tokio::time::interval(Duration::from_millis(ACK_AFTER_MS / 2));
        loop {
            while let Some(text) = self.outbox.get(self.sent) {
                if connection.send(Message::text(format!("d{text}"))).await.is_err() {
                    return Over::Broken;
                }
                self.sent += 1;
            }
            let mut acknowledge = self.received - self.acknowledged >= ACK_EVERY_MESSAGES;
            tokio::select! {
                message = connection.next() => match message {
                    Some(Ok(Message::Text(text))) => if let Some(over) = self.hear(&text) { return over },
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Over::Broken,
                    Some(Ok(_)) => {}
                },
                text = said.recv(), if self.has_room() => match text {
                    Some(text) => self.outbox.push_back(text),
                    None => {
                        let close = FromClient::Close { code: 1000, reason: String::new() };
                        let _ = connection.send(control(&close)).await;
                        return Over::Ended;
                    }
                },
                // Dropped without a close frame, as when a network goes.
                Some(()) = cuts.recv() => return Over::Broken,
                _ = tick.tick() => acknowledge = self.received > self.acknowledged,
            }
            if acknowledge {
                self.acknowledged = self.received;
                let ack = FromClient::Ack {
                    received: self.received,
                };
                if connection.send(control(&ack)).await.is_err() {
                    return Over::Broken;
                }
            }
        }
    }

    fn hear(&mut self, text: &str) -> Option<Over> {
        if let Some(data) = text.strip_prefix('d') {
            self.received += 1;
            let _ = self.tell.send(Happened::Said(data.to_owned()));
            return None;
        }
        match word(text).unwrap_or_else(|| panic!("no envelope: {text}")) {
            FromServer::Ack { received } => self.acknowledge(received),
            FromServer::Close {
                code,
                reason,
                retry_after_ms,
            } => {
                let _ = self.tell.send(Happened::Closed(code, reason, retry_after_ms));
                return Some(Over::Ended);
            }
            other => panic!("not now: {other:?}"),
        }
        None
    }
}

fn control(word: &FromClient) -> Message {
    Message::text(format!("c{}", serde_json::to_string(word).expect("JSON")))
}

fn word(text: &str) -> Option<FromServer> {
    serde_json::from_str(text.strip_prefix('c')?).ok()
}

/// Out of 0..1.
fn random() -> f64 {
    f64::from(u32::try_from(uuid::Uuid::new_v4().as_u128() & 0xFFFF_FFFF).unwrap_or_default()) / f64::from(u32::MAX)
}
