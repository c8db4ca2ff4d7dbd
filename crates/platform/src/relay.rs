//! A body that passes through: read by pieces, looked at, and handed on before the next one is read.
//!
//! Whoever reads at the other end sets the pace, and one piece at a time is in memory. A stream of the runtime's own is read with a buffer of ours, which
//! its default of 4 KiB would make sixteen times as many turns of the loop; a piece comes as soon as there is any byte.

use futures_util::future::{Either, select};
use js_sys::{Object, Reflect, Uint8Array};
use std::cell::RefCell;
use std::future::pending;
use std::pin::pin;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    ReadableStream, ReadableStreamByobReader, ReadableStreamGetReaderOptions, ReadableStreamReaderMode, WritableStream,
    WritableStreamDefaultWriter,
};
use worker::Result;

/// Bytes of a piece at most.
const PIECE: u32 = 64 * 1024;

#[wasm_bindgen]
extern "C" {
    /// A pair of the runtime's own streams: what is written to the one is read from the other.
    #[wasm_bindgen(extends = Object)]
    type IdentityTransformStream;

    #[wasm_bindgen(constructor, catch)]
    fn new() -> std::result::Result<IdentityTransformStream, JsValue>;

    /// The same, of a length that is known: it becomes `Content-Length`.
    #[wasm_bindgen(extends = Object)]
    type FixedLengthStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(length: f64) -> std::result::Result<FixedLengthStream, JsValue>;
}

thread_local! {
    // Filled and looked at without an await between, so one is enough for all bodies.
    static SEEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What becomes of a piece.
pub enum Passing {
    /// It goes on as it is.
    Same,
    /// These bytes go on in its place.
    Instead(Vec<u8>),
    /// Nothing goes on: the body is given up.
    Stop,
}

/// Looks at a body while it passes.
pub trait Watch {
    /// The next piece.
    fn piece(&mut self, bytes: &[u8]) -> Passing;

    /// The body has ended well; what is still to go on.
    fn end(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// The body has broken off; what the other end is told before it breaks off there.
    fn broken(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

/// How a body ended.
#[derive(Debug)]
pub enum Ended {
    /// All of it has passed.
    Whole,
    /// Where it came from, it broke off.
    Broken(String),
    /// Nobody reads any more.
    Unread,
    /// [`Passing::Stop`].
    Stopped,
}

/// A body on its way.
pub struct Relay {
    source: ReadableStream,
    sink: WritableStream,
}

impl Relay {
    /// For a body whose length is known, or not. With it comes what the other end is given to read.
    ///
    /// # Errors
    /// When the runtime refuses.
    pub fn of(source: ReadableStream, length: Option<u64>) -> Result<(Self, ReadableStream)> {
        let pair: Object = match length {
            // Lengths of this era are exact.
            #[allow(clippy::cast_precision_loss)]
            Some(length) => FixedLengthStream::new(length as f64)?.into(),
            None => IdentityTransformStream::new()?.into(),
        };
        let half = |name: &str| Reflect::get(&pair, &JsValue::from_str(name));
        let sink = half("writable")?.unchecked_into();
        let readable = half("readable")?.unchecked_into();
        Ok((Self { source, sink }, readable))
    }

    /// Passes the body on until it ends, one way or another. The other end sees it end the same way.
    pub async fn pass(self, watch: &mut impl Watch) -> Ended {
        self.pass_until(watch, pending()).await
    }

    /// The same, but given up as unread when `gone` is ready: a reader that never came is not seen to close anything.
    pub async fn pass_until(self, watch: &mut impl Watch, gone: impl Future<Output = ()>) -> Ended {
        match self.attempt(watch, gone).await {
            Ok(ended) => ended,
            Err(error) => Ended::Broken(described(&error)),
        }
    }

    async fn attempt(
        &self,
        watch: &mut impl Watch,
        gone: impl Future<Output = ()>,
    ) -> std::result::Result<Ended, JsValue> {
        let options = ReadableStreamGetReaderOptions::new();
        options.set_mode(ReadableStreamReaderMode::Byob);
        let reader: ReadableStreamByobReader = self.source.get_reader_with_options(&options).unchecked_into();
        let writer = self.sink.get_writer()?;
        let closed = JsFuture::from(writer.closed());
        let passing = run(&reader, &writer, watch);
        let unread = async { drop(select(pin!(closed), pin!(gone)).await) };
        let ended = match select(pin!(passing), pin!(unread)).await {
            Either::Left((ended, _)) => ended,
            Either::Right(_) => Ended::Unread,
        };
        match &ended {
            Ended::Whole => {}
            Ended::Broken(why) => forget(writer.abort_with_reason(&js_sys::Error::new(why))),
            Ended::Unread | Ended::Stopped => {
                forget(writer.abort_with_reason(&js_sys::Error::new("the body was given up")));
                forget(reader.cancel());
            }
        }
        Ok(ended)
    }
}

async fn run(reader: &ReadableStreamByobReader, writer: &WritableStreamDefaultWriter, watch: &mut impl Watch) -> Ended {
    let mut buffer = Uint8Array::new_with_length(PIECE);
    loop {
        let read = match JsFuture::from(reader.read_with_array_buffer_view(&buffer)).await {
            Ok(read) => read,
            Err(error) => {
                let last = Uint8Array::from(watch.broken().as_slice());
                // Nobody may be there any more to be told.
                drop(write(writer, &last).await);
                return Ended::Broken(described(&error));
            }
        };
        let part = |name: &str| Reflect::get(&read, &JsValue::from_str(name)).unwrap_or_default();
        if part("done").is_truthy() {
            break;
        }
        let piece: Uint8Array = part("value").unchecked_into();
        let passing = SEEN.with_borrow_mut(|seen| {
            seen.resize(piece.length() as usize, 0);
            piece.copy_to(seen);
            watch.piece(seen)
        });
        let written = match passing {
            Passing::Same => write(writer, &piece).await,
            Passing::Instead(bytes) => write(writer, &Uint8Array::from(bytes.as_slice())).await,
            Passing::Stop => return Ended::Stopped,
        };
        if written.is_err() {
            return Ended::Unread;
        }
        // What was written has been read at the other end, so its memory takes the next piece.
        buffer = Uint8Array::new(&piece.buffer());
    }
    let rest = watch.end();
    let end = async {
        write(writer, &Uint8Array::from(rest.as_slice())).await?;
        JsFuture::from(writer.close()).await
    };
    match end.await {
        Ok(_) => Ended::Whole,
        Err(_) => Ended::Unread,
    }
}

async fn write(writer: &WritableStreamDefaultWriter, piece: &Uint8Array) -> std::result::Result<(), JsValue> {
    if piece.length() > 0 {
        JsFuture::from(writer.write_with_chunk(piece)).await?;
    }
    Ok(())
}

/// Nobody waits for it, and nobody is told when it fails.
fn forget(promise: js_sys::Promise) {
    drop(JsFuture::from(promise));
}

/// An exception as text.
fn described(error: &JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map_or_else(|| "no reason was given".to_owned(), |error| error.message().into())
}
