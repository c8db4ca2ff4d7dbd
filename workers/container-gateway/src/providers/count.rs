//! What is counted of a call while it passes.

use super::admission::LONGEST_REQUEST;
use molt_common::provider::refusal::BROKEN_STREAM;
use molt_common::provider::veil::Veil;
use molt_common::provider_usage::{UsageReader, is_event_stream};
use molt_common::usage::CallUsage;
use molt_platform::relay::{Passing, Watch};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A request's body.
pub struct Upward {
    bytes: Cell<u64>,
    reader: RefCell<UsageReader>,
    too_long: Cell<bool>,
}

impl Upward {
    pub fn of(content_type: Option<&str>) -> Rc<Self> {
        Rc::new(Self {
            bytes: Cell::new(0),
            reader: RefCell::new(UsageReader::of(content_type)),
            too_long: Cell::new(false),
        })
    }

    /// Whether it was given up because it is longer than a request may be.
    pub fn is_too_long(&self) -> bool {
        self.too_long.get()
    }
}

/// Looks at a request's body.
pub struct Upload(pub Rc<Upward>);

impl Watch for Upload {
    fn piece(&mut self, bytes: &[u8]) -> Passing {
        let all = self.0.bytes.get().saturating_add(bytes.len() as u64);
        if all > LONGEST_REQUEST {
            self.0.too_long.set(true);
            return Passing::Stop;
        }
        self.0.bytes.set(all);
        self.0.reader.borrow_mut().read(bytes);
        Passing::Same
    }
}

/// An answer's body.
pub struct Download {
    streams: bool,
    veil: Veil,
    reader: UsageReader,
    bytes: u64,
}

impl Download {
    pub fn of(content_type: Option<&str>, key: &str) -> Self {
        Self {
            streams: content_type.is_some_and(is_event_stream),
            veil: Veil::of(key),
            reader: UsageReader::of(content_type),
            bytes: 0,
        }
    }

    /// What the call took.
    pub fn usage(&self, upward: &Upward, status: u16, complete: bool, own_key: bool) -> CallUsage {
        let asked_for = upward.reader.borrow().model().map(str::to_owned);
        CallUsage {
            status: Some(status),
            model: self.reader.model().map(str::to_owned).or(asked_for),
            request_bytes: upward.bytes.get(),
            answer_bytes: self.bytes,
            tokens: self.reader.tokens(),
            complete,
            own_key,
        }
    }
}

impl Watch for Download {
    fn piece(&mut self, bytes: &[u8]) -> Passing {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.reader.read(bytes);
        if self.veil.leaves(bytes) {
            Passing::Same
        } else {
            Passing::Instead(self.veil.pass(bytes))
        }
    }

    fn end(&mut self) -> Vec<u8> {
        self.veil.rest()
    }

    /// A stream of events without its length may look as if it had ended well: the runtime closes it like any other.
    fn broken(&mut self) -> Vec<u8> {
        if self.streams {
            BROKEN_STREAM.to_vec()
        } else {
            Vec::new()
        }
    }
}

/// What a call took that got no answer.
pub fn unanswered(upward: &Upward, own_key: bool) -> CallUsage {
    CallUsage {
        model: upward.reader.borrow().model().map(str::to_owned),
        request_bytes: upward.bytes.get(),
        own_key,
        ..CallUsage::default()
    }
}
