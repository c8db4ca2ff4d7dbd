//! Two upgraded connections become one: bytes go both ways untouched, until a side closes or the session ends.

use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use molt_common::close_code::GOING_AWAY;
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::activity::{Activity, OpenSocket};
use super::control_frame::{Towards, close_frame, ping};
use super::heartbeat::{self, Beat};
use super::lost::{self, Closing};
use super::one_way::{OneWay, Step};
use super::sessions::Admitted;
use super::user_activity::ClientMessages;
use crate::agent::AgentState;

/// How long one direction may go on after the other has ended. The end of a WebSocket is an exchange of two close frames; a side that has
/// gone without one would otherwise keep the other half open for ever.
const LINGER: Duration = Duration::from_secs(5);
/// How long the frame that is on its way to the client may take to become whole before an ended session cuts it.
const FRAME_PATIENCE: Duration = Duration::from_secs(1);
/// How long a side may take to answer a close frame.
const REPLY_PATIENCE: Duration = Duration::from_secs(1);

type Side = TokioIo<Upgraded>;
type Direction = OneWay<ReadHalf<Side>, WriteHalf<Side>>;

/// Why it is over.
enum End {
    /// Both sides are to be told this, unless they have said everything already.
    Tell(Closing),
    /// The agent's end is gone without a word.
    AgentLost,
    /// Both have closed.
    Closed,
}

/// Connects the client's side with the agent's, until both are closed or the session has ended. `open` counts the socket for as long.
pub async fn splice(
    client: OnUpgrade,
    agent: OnUpgrade,
    open: OpenSocket,
    session: Admitted,
    state: watch::Receiver<AgentState>,
) {
    let (client, agent) = match tokio::try_join!(client, agent) {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "a WebSocket ended before it began");
            return;
        }
    };
    let (from_client, to_client) = split(TokioIo::new(client));
    let (from_agent, to_agent) = split(TokioIo::new(agent));
    let mut up = OneWay::new(from_client, to_agent, Towards::Agent);
    let mut down = OneWay::new(from_agent, to_client, Towards::Client);
    let closing = match carry(&mut up, &mut down, open.activity(), session).await {
        End::Closed => {
            let _ = tokio::join!(up.shut(), down.shut());
            return;
        }
        End::Tell(closing) => closing,
        End::AgentLost => lost::why(state).await,
    };
    tracing::info!(code = closing.code, reason = closing.reason, "a socket is closed");
    end(up, down, &closing).await;
    drop(open);
}

/// Both directions to their ends.
async fn carry(up: &mut Direction, down: &mut Direction, activity: &Activity, mut session: Admitted) -> End {
    let mut messages = ClientMessages::default();
    let (mut up_ended, mut down_ended) = (false, false);
    let (mut heard, mut asked) = (Instant::now(), false);
    let mut until = None;
    loop {
        let beat = match heartbeat::beat(heard.elapsed(), asked) {
            Beat::Gone => return End::Tell(gone("Nothing was heard of the client.")),
            Beat::Ping => {
                if down.takes_a_frame() {
                    down.put_in(ping());
                    asked = true;
                } else {
                    // There is no room for it within a frame.
                    heard = Instant::now();
                }
                continue;
            }
            Beat::Wait(left) => Instant::now() + left,
        };
        tokio::select! {
            step = up.step(), if !up_ended => match step {
                Ok(Step::Read) => {
                    (heard, asked) = (Instant::now(), false);
                    if messages.persons(up.news()) { activity.person_seen() }
                },
                Ok(Step::Wrote(data)) => if data { activity.client_frame_seen() },
                Ok(Step::Ended) if up.closed() => up_ended = true,
                Ok(Step::Ended) => return End::Tell(gone("The client's connection has ended.")),
                // The agent takes no more. Its last words may be on their way.
                Err(_) => up_ended = true,
            },
            step = down.step(), if !down_ended => match step {
                Ok(Step::Read) => {}
                // It takes what was too much for it before, or at least somebody on the way does.
                Ok(Step::Wrote(_)) => if !down.takes_a_frame() { heard = Instant::now() },
                Ok(Step::Ended) if down.closed() => down_ended = true,
                Ok(Step::Ended) => return End::AgentLost,
                Err(_) => return End::Tell(gone("The client's connection has ended.")),
            },
            ending = session.closing() => {
                return End::Tell(Closing::new(ending.close_code(), ending.reason().to_owned()));
            }
            () = sleep_until(until.unwrap_or(beat)) => if until.is_some() { return End::Closed },
        }
        if up_ended && down_ended {
            return End::Closed;
        }
        if (up_ended || down_ended) && until.is_none() {
            until = Some(Instant::now() + LINGER);
        }
    }
}

fn gone(reason: &str) -> Closing {
    Closing::new(GOING_AWAY, reason.to_owned())
}

/// Closes both sides in order: a close frame each where a frame may stand, and where none may, only the end of the connection.
async fn end(mut up: Direction, mut down: Direction, closing: &Closing) {
    // The rest of the frame that the client is just getting; the agent may be slow or never send it.
    let _ = timeout(FRAME_PATIENCE, down.finish_frame()).await;
    let farewell = async {
        let _ = tokio::join!(
            tell(&mut down, closing, Towards::Client),
            tell(&mut up, closing, Towards::Agent)
        );
        // Their answers are read and dropped: closing with unread bytes would reset the connection, and take our close frame along.
        tokio::join!(up.drain(), down.drain());
        let _ = tokio::join!(up.shut(), down.shut());
    };
    if timeout(REPLY_PATIENCE, farewell).await.is_err() {
        tracing::debug!("a side did not answer the close frame");
    }
}

/// Sends the close frame, or ends the connection where none may stand.
async fn tell(direction: &mut Direction, closing: &Closing, towards: Towards) -> std::io::Result<()> {
    if !direction.takes_a_frame() {
        return direction.shut().await;
    }
    direction.put_in(close_frame(closing.code, &closing.reason, towards));
    direction.flush().await
}
