//! The end of whoever asked: the runtime aborts the signal of a request whose client goes away before its answer has begun (`enable_request_signal`).
//!
//! What goes on in `waitUntil` learns of it in no other way: an answer that nobody takes is never read, and what waits for its reader would wait forever.

use futures_channel::oneshot::{self, Receiver};
use std::pin::Pin;
use std::task::{Context, Poll};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{AbortSignal, Request};
use worker::Result;

const ABORT: &str = "abort";

/// Ready once the client has gone, and from then on. Never where the runtime does not tell.
pub struct Disconnect {
    signal: AbortSignal,
    told: Receiver<()>,
    listener: Closure<dyn FnMut()>,
}

impl Disconnect {
    /// Of the client of a request that has come in.
    ///
    /// # Errors
    /// When the runtime refuses the listener.
    pub fn of(request: &Request) -> Result<Self> {
        let signal = request.signal();
        let (tell, told) = oneshot::channel();
        let mut tell = Some(tell);
        // It is told once, and a panic could leave nothing half done.
        let listener = Closure::own_assert_unwind_safe(move || {
            if let Some(tell) = tell.take() {
                let _ = tell.send(());
            }
        });
        signal.add_event_listener_with_callback(ABORT, listener.as_ref().unchecked_ref())?;
        Ok(Self { signal, told, listener })
    }
}

impl Future for Disconnect {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.signal.aborted() {
            return Poll::Ready(());
        }
        Pin::new(&mut self.told).poll(context).map(drop)
    }
}

impl Drop for Disconnect {
    fn drop(&mut self) {
        let listener = self.listener.as_ref().unchecked_ref();
        // It was added, so it can be removed.
        drop(self.signal.remove_event_listener_with_callback(ABORT, listener));
    }
}
