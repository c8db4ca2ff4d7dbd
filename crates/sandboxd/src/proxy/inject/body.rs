//! The body of a page, with the tag put in on its way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Frame, SizeHint};

use super::place::{self, Place};
use crate::http_server::{Body, BodyError};

/// See there.
pub struct Injecting {
    inner: Body,
    /// What goes in, until it has.
    tag: Option<Bytes>,
    /// The end of what has come: one unfinished item before the head. Empty once the tag is in.
    held: BytesMut,
    /// What comes after what was given out last.
    next: Option<Frame<Bytes>>,
}

impl Injecting {
    /// The page `inner` with `tag` first in its head.
    pub fn new(inner: Body, tag: &'static str) -> Self {
        Self {
            inner,
            tag: Some(Bytes::from_static(tag.as_bytes())),
            held: BytesMut::new(),
            next: None,
        }
    }

    /// Takes the next bytes of the page in; what can go out now. It is empty when all is held.
    fn take(&mut self, data: Bytes) -> Bytes {
        let Some(tag) = &self.tag else {
            return data;
        };
        self.held.extend_from_slice(&data);
        match place::find(&self.held) {
            Place::After(done) => self.held.split_to(done).freeze(),
            Place::At(at) => {
                let mut whole = BytesMut::with_capacity(self.held.len() + tag.len());
                whole.extend_from_slice(&self.held.split_to(at));
                whole.extend_from_slice(tag);
                whole.extend_from_slice(&self.held.split());
                self.tag = None;
                whole.freeze()
            }
            Place::Nowhere => {
                tracing::info!("a page is left without the script for its sockets: nothing can be put into its head");
                self.tag = None;
                self.held.split().freeze()
            }
        }
    }

    /// What is held goes out as it is, before `last`.
    fn release(&mut self, last: Option<Frame<Bytes>>) -> Option<Frame<Bytes>> {
        self.tag = None;
        if self.held.is_empty() {
            return last;
        }
        self.next = last;
        Some(Frame::data(self.held.split().freeze()))
    }
}

impl hyper::body::Body for Injecting {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(frame) = self.next.take() {
                return Poll::Ready(Some(Ok(frame)));
            }
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.release(None).map(Ok)),
            };
            match frame.into_data() {
                Ok(data) => {
                    let out = self.take(data);
                    if !out.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(out))));
                    }
                }
                Err(other) => return Poll::Ready(self.release(Some(other)).map(Ok)),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.held.is_empty() && self.inner.is_end_stream()
    }

    /// Unknown: it becomes longer, or not.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    use hyper::header::{HeaderMap, HeaderValue};

    use super::*;

    type Frames = Vec<Frame<Bytes>>;

    fn page(frames: Frames) -> Injecting {
        let all = stream::iter(frames.into_iter().map(Ok::<_, Infallible>));
        Injecting::new(StreamBody::new(all).map_err(|never| match never {}).boxed(), "[tag]")
    }

    fn pieces(pieces: &[&'static str]) -> Frames {
        pieces
            .iter()
            .map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())))
            .collect()
    }

    async fn sent(frames: Frames) -> Vec<String> {
        let mut body = page(frames);
        let mut sent = Vec::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.unwrap().into_data() {
                sent.push(String::from_utf8(data.to_vec()).unwrap());
            }
        }
        sent
    }

    #[tokio::test]
    async fn the_tag_goes_in_once_and_nothing_finished_waits() {
        assert_eq!(
            sent(pieces(&["<!doctype html><ht", "ml><he", "ad><title>", "<head>"])).await,
            ["<!doctype html>", "<html>", "<head>[tag]<title>", "<head>"]
        );
    }

    #[tokio::test]
    async fn a_page_without_a_place_ends_as_it_is() {
        assert_eq!(
            sent(pieces(&["<!doctype html><!-- ", "x"])).await,
            ["<!doctype html>", "<!-- x"]
        );
        assert_eq!(sent(pieces(&["", ""])).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn trailers_come_last() {
        let trailers = HeaderMap::from_iter([("x-t".parse().unwrap(), HeaderValue::from_static("1"))]);
        let mut frames = pieces(&["<!-- "]);
        frames.push(Frame::trailers(trailers.clone()));
        let whole = page(frames).collect().await.unwrap();
        assert_eq!(whole.trailers(), Some(&trailers));
        assert_eq!(whole.to_bytes(), "<!-- ");
    }
}
