//! A file as a body, read as fast as it is taken.

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::http_server::{Body, BodyError};

const PIECE: usize = 64 * 1024;

/// The first `length` bytes of a file; one that is shorter breaks off. `held` lives as long as the body.
pub fn of<H: Send + Sync + 'static>(file: File, length: u64, held: H) -> Body {
    let pieces = stream::try_unfold((file, length, held), async |(mut file, left, held)| {
        if left == 0 {
            return Ok(None);
        }
        let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let mut piece = BytesMut::zeroed(most);
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Err(BodyError::from("the file is shorter than it was"));
        }
        piece.truncate(read);
        let left = left - read as u64;
        Ok(Some((Frame::data(Bytes::from(piece)), (file, left, held))))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}
