//! Two upgraded connections become one: bytes go both ways untouched.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy, split};

use super::activity::{Activity, OpenSocket};
use super::frames::FrameScanner;

/// How long one direction may go on after the other has ended. The end of a WebSocket is an exchange of two close frames; a side that has
/// gone without one would otherwise keep the other half open for ever.
const LINGER: Duration = Duration::from_secs(5);

/// Connects the client's side with the agent's, until both are closed. `open` counts the socket for as long.
pub async fn splice(client: OnUpgrade, agent: OnUpgrade, activity: Arc<Activity>, open: OpenSocket) {
    let (client, agent) = match tokio::try_join!(client, agent) {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "a WebSocket ended before it began");
            return;
        }
    };
    let client = Watched {
        inner: TokioIo::new(client),
        scanner: FrameScanner::default(),
        activity,
    };
    let (mut from_client, mut to_client) = split(client);
    let (mut from_agent, mut to_agent) = split(TokioIo::new(agent));
    let mut up = carry(&mut from_client, &mut to_agent);
    let mut down = carry(&mut from_agent, &mut to_client);
    let (first, other) = tokio::select! {
        first = &mut up => (first, down),
        first = &mut down => (first, up),
    };
    match first {
        Ok(()) => {
            let _ = tokio::time::timeout(LINGER, other).await;
        }
        Err(error) => tracing::debug!(%error, "a WebSocket broke"),
    }
    drop(open);
}

type Carrying<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>>;

/// One direction, to its end.
fn carry<'a>(
    from: &'a mut (impl AsyncRead + Unpin + Send),
    to: &'a mut (impl AsyncWrite + Unpin + Send),
) -> Carrying<'a> {
    Box::pin(async move {
        copy(from, to).await?;
        to.shutdown().await
    })
}

/// The client's side, which notes data that it sends.
struct Watched<I> {
    inner: I,
    scanner: FrameScanner,
    activity: Arc<Activity>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        if self.scanner.sees_data(read) {
            self.activity.client_frame_seen();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
