use super::{SPARE_BYTES, Stretch, Told, incomplete, tell};
use crate::output::{OutputCursor, OutputPiece, StreamName};
use proptest::collection::vec;
use proptest::prelude::*;

fn piece(stream: StreamName, at: u64, bytes: &[u8]) -> OutputPiece {
    OutputPiece {
        stream,
        at,
        bytes: bytes.to_vec(),
    }
}

fn out(at: u64, bytes: &[u8]) -> OutputPiece {
    piece(StreamName::Stdout, at, bytes)
}

fn at(stdout: u64, stderr: u64) -> OutputCursor {
    OutputCursor { stdout, stderr }
}

/// As `text`, `base64 …` or `gap N`, each with the position after it.
fn shown(told: &[Told]) -> Vec<String> {
    let show = |told: &Told| {
        let chunk = &told.chunk;
        let gap = chunk.gap_bytes.map(|bytes| format!("gap {bytes}"));
        let base64 = chunk.base64.as_ref().map(|text| format!("base64 {text}"));
        let what = chunk.text.clone().or(base64).or(gap).unwrap_or_default();
        format!("{}@{} {what} > {}", chunk.stream.word(), chunk.at, told.after)
    };
    told.iter().map(show).collect()
}

#[test]
fn a_character_that_is_cut_waits_for_its_rest() {
    let euro = "€".as_bytes();
    let mut stretch = Stretch {
        pieces: vec![out(0, b"a"), out(1, &euro[..2])],
        end: at(3, 0),
        ..Stretch::default()
    };
    assert_eq!(shown(&tell(&stretch, 100)), ["stdout@0 a > 1-0"]);
    stretch.pieces.push(piece(StreamName::Stderr, 0, b"e"));
    stretch.pieces.push(out(3, &euro[2..]));
    stretch.end = at(4, 1);
    assert_eq!(
        shown(&tell(&stretch, 100)),
        ["stdout@0 a > 1-0", "stderr@0 e > 1-1", "stdout@1 € > 4-1"],
        "what is written between them does not move the position into the character"
    );
}

#[test]
fn nothing_is_held_back_for_ever() {
    let stretch = Stretch {
        pieces: vec![out(0, &[b'a', 0xe2, 0x82])],
        end: at(3, 0),
        last: true,
        ..Stretch::default()
    };
    assert_eq!(
        shown(&tell(&stretch, 100)),
        ["stdout@0 a > 1-0", "stdout@1 base64 4oI= > 3-0"]
    );
    // In front of a gap neither.
    let stretch = Stretch {
        pieces: vec![out(0, &[0xe2, 0x82]), out(10, &[0xac, b'b'])],
        end: at(12, 7),
        ..Stretch::default()
    };
    assert_eq!(
        shown(&tell(&stretch, 100)),
        [
            "stdout@0 base64 4oI= > 2-0",
            "stdout@2 gap 8 > 10-0",
            "stdout@10 base64 rGI= > 12-0",
            "stderr@0 gap 7 > 12-7",
        ]
    );
}

#[test]
fn a_limit_cuts_between_characters_and_tells_one_at_least() {
    let text = "€€".as_bytes();
    let stretch = Stretch {
        pieces: vec![out(0, text)],
        end: at(6, 0),
        last: true,
        ..Stretch::default()
    };
    for limit in [0, 1, 3, 5] {
        assert_eq!(shown(&tell(&stretch, limit)), ["stdout@0 € > 3-0"], "{limit}");
    }
    assert_eq!(shown(&tell(&stretch, 6)), ["stdout@0 €€ > 6-0"]);
    // A gap costs nothing, and what comes after a full answer is for the next.
    let stretch = Stretch {
        pieces: vec![out(5, b"ab"), out(9, b"c")],
        end: at(10, 0),
        ..Stretch::default()
    };
    assert_eq!(shown(&tell(&stretch, 2)), ["stdout@0 gap 5 > 5-0", "stdout@5 ab > 7-0"]);
}

#[test]
fn what_was_told_is_not_told_again() {
    let stretch = Stretch {
        after: at(3, 0),
        pieces: vec![out(0, b"abc"), out(2, b"cde")],
        end: at(5, 0),
        last: false,
    };
    assert_eq!(shown(&tell(&stretch, 100)), ["stdout@3 de > 5-0"]);
}

#[test]
fn only_the_beginning_of_a_character_is_incomplete() {
    for (bytes, length) in [
        (&b""[..], 0),
        (b"a", 0),
        (b"\xe2", 1),
        (b"a\xe2\x82", 2),
        (b"\xf0\x9f\xa6", 3),
        ("€".as_bytes(), 0),
        (b"\x82", 0),
        (b"\xff", 0),
        // A surrogate: no third byte would make it a character.
        (b"\xed\xa0", 0),
        (b"\xff\xe2", 1),
    ] {
        assert_eq!(incomplete(bytes), length, "{bytes:?}");
    }
}

/// A command's streams, what of each was kept, and how the store cut it.
#[derive(Clone, Debug)]
struct Written {
    bytes: [Vec<u8>; 2],
    /// Of each stream, offsets between which nothing is kept.
    gaps: [(usize, usize); 2],
    cuts: Vec<usize>,
}

impl Written {
    fn of(&self, stream: StreamName) -> (&[u8], (usize, usize)) {
        let index = usize::from(stream == StreamName::Stderr);
        (&self.bytes[index], self.gaps[index])
    }

    /// What the store would read: after a position, with so much written so far, in pieces that are cut anyhow.
    fn read(&self, after: OutputCursor, limit: u64, so_far: [usize; 2], turn: usize) -> Stretch {
        let mut pieces = Vec::new();
        let mut end = after;
        let mut left = usize::try_from(limit).unwrap();
        let mut cuts = self.cuts.iter().cycle().skip(turn);
        let mut open = [true, true];
        let mut which = turn;
        while open != [false, false] {
            let stream = StreamName::BOTH[which % 2];
            let ((bytes, gap), so_far) = (self.of(stream), so_far[which % 2]);
            let mut from = usize::try_from(end.of(stream)).unwrap();
            if (gap.0..gap.1).contains(&from) && so_far >= gap.1 {
                from = gap.1;
            }
            let stop = if from < gap.0 { gap.0.min(so_far) } else { so_far };
            let length = (*cuts.next().unwrap()).min(stop.saturating_sub(from)).min(left);
            let inside = (gap.0..gap.1).contains(&from);
            if length == 0 || inside {
                open[which % 2] = false;
            } else {
                pieces.push(piece(stream, from as u64, &bytes[from..from + length]));
                end.set(stream, (from + length) as u64);
                left -= length;
            }
            which += 1;
        }
        let last = so_far == [self.bytes[0].len(), self.bytes[1].len()]
            && StreamName::BOTH.iter().all(|stream| {
                let (bytes, gap) = self.of(*stream);
                let at = usize::try_from(end.of(*stream)).unwrap();
                at == bytes.len() || (at >= gap.0 && gap.1 == bytes.len() && gap.0 < gap.1)
            });
        if last {
            end = at(self.bytes[0].len() as u64, self.bytes[1].len() as u64);
        }
        Stretch {
            after,
            pieces,
            end,
            last,
        }
    }
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let text = "[a-é€𝄞\u{fe0f}\n]{0,40}".prop_map(String::into_bytes);
    prop_oneof![
        3 => text,
        1 => vec(any::<u8>(), 0..60),
        1 => vec(prop_oneof![Just(0xe2_u8), Just(0x82), Just(0xac), Just(0xf0), Just(b'a')], 0..60),
    ]
}

fn written() -> impl Strategy<Value = Written> {
    (
        stream(),
        stream(),
        any::<[prop::sample::Index; 4]>(),
        any::<bool>(),
        vec(1_usize..9, 1..9),
    )
        .prop_map(|(stdout, stderr, places, gaps, cuts)| {
            let gap = |bytes: &Vec<u8>, one: &prop::sample::Index, other: &prop::sample::Index| {
                if !gaps {
                    return (bytes.len(), bytes.len());
                }
                let (one, other) = (one.index(bytes.len() + 1), other.index(bytes.len() + 1));
                (one.min(other), one.max(other))
            };
            Written {
                gaps: [
                    gap(&stdout, &places[0], &places[1]),
                    gap(&stderr, &places[2], &places[3]),
                ],
                bytes: [stdout, stderr],
                cuts,
            }
        })
}

proptest! {
    /// Somebody who reads with any limits, while the command writes in any steps, and who goes on from any position that he was told, has in
    /// the end exactly what was kept, knows where the rest was, and was told text wherever whole text was written.
    #[test]
    fn whoever_reads_anyhow_has_the_bytes_in_the_end(
        written in written(),
        limits in vec(0_u64..20, 1..8),
        growth in vec((0_usize..30, 0_usize..30), 1..6),
        rewinds in vec((0_usize..4, any::<prop::sample::Index>()), 1..6),
    ) {
        let lengths = [written.bytes[0].len(), written.bytes[1].len()];
        let mut so_far = [0_usize, 0];
        let mut told: Vec<Told> = Vec::new();
        let mut turn = 0;
        let mut rewinds = rewinds.into_iter();
        loop {
            let grown = growth[turn % growth.len()];
            so_far = [(so_far[0] + grown.0 + 1).min(lengths[0]), (so_far[1] + grown.1 + 1).min(lengths[1])];
            let position = told.last().map_or_else(OutputCursor::default, |told| told.after);
            let limit = limits[turn % limits.len()];
            let stretch = written.read(position, limit + SPARE_BYTES, so_far, turn);
            let new = tell(&stretch, limit);
            let bytes: usize = new.iter().filter_map(|told| told.chunk.bytes()).map(|bytes| bytes.len()).sum();
            let texts = new.iter().filter(|told| told.chunk.gap_bytes.is_none()).count();
            prop_assert!(bytes as u64 <= limit || texts == 1 && bytes <= 4 || texts == 0, "{bytes} bytes of {limit}: {new:?}");
            if stretch.last && new.is_empty() {
                break;
            }
            told.extend(new);
            if turn % 3 == 2 && let Some((times, place)) = rewinds.next() && times > 0 && !told.is_empty() {
                told.truncate(place.index(told.len()));
            }
            turn += 1;
            prop_assert!(turn < 3_000, "it never ends: {told:?}");
        }
        for stream in StreamName::BOTH {
            let (bytes, gap) = written.of(stream);
            let chunks: Vec<_> = told.iter().map(|told| &told.chunk).filter(|chunk| chunk.stream == stream).collect();
            let mut position = 0_usize;
            for chunk in &chunks {
                prop_assert_eq!(chunk.at, position as u64);
                match (chunk.bytes(), chunk.gap_bytes) {
                    (Some(some), None) => {
                        prop_assert_eq!(&some[..], &bytes[position..position + some.len()]);
                        prop_assert!(!some.is_empty());
                        position += some.len();
                    }
                    (None, Some(gap_bytes)) => {
                        prop_assert_eq!((position, gap_bytes), (gap.0, (gap.1 - gap.0) as u64));
                        position = gap.1;
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            prop_assert_eq!(position, bytes.len());
            if gap.0 == gap.1 && std::str::from_utf8(bytes).is_ok() {
                prop_assert!(chunks.iter().all(|chunk| chunk.text.is_some()), "{chunks:?}");
            }
        }
    }
}
