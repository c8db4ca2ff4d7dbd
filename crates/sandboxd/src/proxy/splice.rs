//! Two upgraded connections become one: bytes go both ways untouched, until a side closes or the session ends.

use std::io;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use molt_common::close_code;
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;

use super::activity::{Activity, OpenSocket};
use super::one_way::OneWay;
use super::sessions::{Admitted, Ending};
use super::user_activity::ClientMessages;

/// How long one direction may go on after the other has ended. The end of a WebSocket is an exchange of two close frames; a side that has
/// gone without one would otherwise keep the other half open for ever.
const LINGER: Duration = Duration::from_secs(5);
/// How long the frame that is on its way to the client may take to become whole before an ended session cuts it.
const FRAME_PATIENCE: Duration = Duration::from_secs(1);
/// How long a side may take to answer a close frame.
const REPLY_PATIENCE: Duration = Duration::from_secs(1);

type Side = TokioIo<Upgraded>;
type Direction = OneWay<ReadHalf<Side>, WriteHalf<Side>>;

/// Connects the client's side with the agent's, until both are closed or the session has ended. `open` counts the socket for as long.
pub async fn splice(client: OnUpgrade, agent: OnUpgrade, open: OpenSocket, mut session: Admitted) {
    let (client, agent) = match tokio::try_join!(client, agent) {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "a WebSocket ended before it began");
            return;
        }
    };
    let (from_client, to_client) = split(TokioIo::new(client));
    let (from_agent, to_agent) = split(TokioIo::new(agent));
    let mut up = OneWay::new(from_client, to_agent);
    let mut down = OneWay::new(from_agent, to_client);
    let ended = tokio::select! {
        outcome = carry(&mut up, &mut down, open.activity()) => {
            if let Err(error) = outcome {
                tracing::debug!(%error, "a WebSocket broke");
            }
            None
        }
        ending = session.closing() => Some(ending),
    };
    if let Some(ending) = ended {
        tracing::info!(?ending, "a socket is closed");
        end(up, down, &ending).await;
    }
    drop(open);
}

/// Both directions to their ends.
async fn carry(up: &mut Direction, down: &mut Direction, activity: &Activity) -> io::Result<()> {
    let mut messages = ClientMessages::default();
    let up = up.carry(|bytes, data| {
        if data {
            activity.client_frame_seen();
        }
        if messages.persons(bytes) {
            activity.person_seen();
        }
    });
    let down = down.carry(|_, _| ());
    tokio::pin!(up, down);
    tokio::select! {
        first = &mut up => {
            first?;
            let _ = timeout(LINGER, down).await;
        }
        first = &mut down => {
            first?;
            let _ = timeout(LINGER, up).await;
        }
    }
    Ok(())
}

/// Closes both sides in order: a close frame each where a frame may stand, and where none may, only the end of the connection.
async fn end(mut up: Direction, mut down: Direction, ending: &Ending) {
    // The rest of the frame that the client is just getting; the agent may be slow or never send it.
    let _ = timeout(FRAME_PATIENCE, down.finish_frame()).await;
    let to_client = down.takes_a_frame().then(|| close_frame(ending, None));
    let to_agent = up.takes_a_frame().then(|| close_frame(ending, Some(mask())));
    let farewell = async {
        let _ = tokio::join!(tell(&mut down, to_client), tell(&mut up, to_agent));
        // Their answers are read and dropped: closing with unread bytes would reset the connection, and take our close frame along.
        let _ = tokio::join!(up.drain(), down.drain());
        let _ = tokio::join!(up.shut(), down.shut());
    };
    if timeout(REPLY_PATIENCE, farewell).await.is_err() {
        tracing::debug!("a side did not answer the close frame");
    }
}

/// Sends the close frame, or ends the connection where none may stand.
async fn tell(direction: &mut Direction, frame: Option<Vec<u8>>) -> io::Result<()> {
    match frame {
        Some(frame) => direction.put_in(&frame).await,
        None => direction.shut().await,
    }
}

/// A whole close frame; masked towards the agent, as a client's are (RFC 6455 5.1).
fn close_frame(ending: &Ending, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut frame = Frame::close(Some(CloseFrame {
        code: ending.close_code().into(),
        reason: close_code::cut_reason(ending.reason()).into(),
    }));
    frame.header_mut().mask = mask;
    let mut bytes = Vec::with_capacity(128);
    // Writing to memory cannot fail.
    let _ = frame.format(&mut bytes);
    bytes
}

/// Nobody may be able to foresee it (RFC 6455 5.3).
fn mask() -> [u8; 4] {
    let [a, b, c, d, ..] = uuid::Uuid::new_v4().into_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use molt_common::control::SessionEnd;

    use super::*;

    #[test]
    fn close_frames_are_as_the_standard_has_them() {
        for reason in [SessionEnd::Expired, SessionEnd::SignedOut, SessionEnd::Suspended] {
            let plain = close_frame(&Ending::Session(reason), None);
            let length = 2 + reason.reason().len();
            assert!(length <= 125);
            assert_eq!(plain[..2], [0x88, length as u8]);
            assert_eq!(plain[2..4], reason.close_code().to_be_bytes());
            assert_eq!(&plain[4..], reason.reason().as_bytes());
            let masked = close_frame(&Ending::Session(reason), Some([1, 2, 3, 4]));
            assert_eq!(masked[..6], [0x88, 0x80 | length as u8, 1, 2, 3, 4]);
            let open: Vec<u8> = masked[6..]
                .iter()
                .zip([1, 2, 3, 4].iter().cycle())
                .map(|(byte, mask)| byte ^ mask)
                .collect();
            assert_eq!(open, plain[2..]);
        }
    }
}
