//! Carrying bytes between two connections.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};

/// Bytes held for each direction of a connection. Thousands of connections are open at a time, most of them idle.
const BUFFER: usize = 16 * 1024;

/// Pause after a failed accept, which is for want of files or memory.
const RECOVERY: Duration = Duration::from_millis(50);

/// The next connection. Failures to accept one do not end a listener.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(RECOVERY).await;
            }
        }
    }
}

/// Carries bytes both ways until both sides have finished. When one side says that it has nothing more to send, the other is told,
/// and may go on sending.
pub async fn relay<A, B>(a: &mut A, b: &mut B) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    copy_bidirectional_with_sizes(a, b, BUFFER, BUFFER).await.map(drop)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, accept(&listener).await)
    }

    #[tokio::test]
    async fn one_side_may_finish_and_still_be_answered() {
        let ((mut client, mut a), (mut b, mut server)) = (pair().await, pair().await);
        let carrying = tokio::spawn(async move { relay(&mut a, &mut b).await });
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "question", "the end of the question arrives");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        text.clear();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");
        carrying.await.unwrap().unwrap();
    }
}
