//! A body of server-sent events (HTML, 9.2): each event's data is a JSON document.

use super::scanner::Scanner;
use super::stated::Stated;
use memchr::memchr2;

const FIELD: &[u8] = b"data:";

/// Where in a line the next byte lies.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// So many bytes of [`FIELD`] were there.
    Name(usize),
    /// Behind the colon, where one blank does not count.
    Colon,
    /// In data.
    Data,
    /// In a line of something else.
    Other,
}

/// Reads events.
#[derive(Clone, Debug)]
pub(super) struct Events {
    scanner: Scanner,
    place: Place,
    /// The last line ended with a carriage return: a line feed now belongs to it.
    returned: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            scanner: Scanner::default(),
            place: Place::Name(0),
            returned: false,
        }
    }
}

impl Events {
    /// Reads the next bytes.
    pub(super) fn read(&mut self, piece: &[u8], stated: &mut Stated) {
        let mut rest = piece;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.returned) && first == b'\n' {
                rest = after;
                continue;
            }
            if matches!(first, b'\n' | b'\r') {
                self.returned = first == b'\r';
                self.end_line(stated);
                rest = after;
                continue;
            }
            match self.place {
                Place::Name(seen) => {
                    self.place = match FIELD.get(seen) {
                        Some(&wanted) if wanted == first && seen + 1 == FIELD.len() => Place::Colon,
                        Some(&wanted) if wanted == first => Place::Name(seen + 1),
                        _ => Place::Other,
                    };
                    rest = after;
                }
                Place::Colon => {
                    self.place = Place::Data;
                    if first == b' ' {
                        rest = after;
                    }
                }
                Place::Data | Place::Other => {
                    let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    if matches!(self.place, Place::Data) {
                        self.scanner.read(line, stated);
                    }
                    rest = after;
                }
            }
        }
    }

    fn end_line(&mut self, stated: &mut Stated) {
        match self.place {
            // An empty line ends the event.
            Place::Name(0) => self.scanner = Scanner::default(),
            Place::Data => self.scanner.read(b"\n", stated),
            Place::Name(_) | Place::Colon | Place::Other => {}
        }
        self.place = Place::Name(0);
    }
}
