//! A command that writes for a while, and every byte that it writes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Bytes of noise in each line of each stream.
const NOISE: usize = 96;

/// A command and what it writes.
#[derive(Clone, Debug)]
pub struct Written {
    /// Body of the submission.
    pub body: Value,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// Lines with a number and noise, on both streams, this many, this far apart in seconds. Noise is any byte, by a generator that always begins the same.
#[must_use]
pub fn lines(count: usize, apart: &str) -> Written {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = (0..count * NOISE * 2)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for (number, pair) in noise.chunks_exact(NOISE * 2).enumerate() {
        let (out, err) = pair.split_at(NOISE);
        for (stream, name, bytes) in [(&mut stdout, "out", out), (&mut stderr, "err", err)] {
            stream.extend(format!("{name} {number} ünïcödé 🐙\n").into_bytes());
            stream.extend(bytes);
        }
    }
    let command = format!(
        "f=/tmp/noise-$$; base64 -d > $f; part() {{ dd if=$f bs={NOISE} skip=$1 count=1 2>/dev/null; }}; n=0; \
         while [ $n -lt {count} ]; do echo \"out $n ünïcödé 🐙\"; part $((n*2)); echo \"err $n ünïcödé 🐙\" >&2; part $((n*2+1)) >&2; \
         n=$((n+1)); sleep {apart}; done; rm $f; exit 9"
    );
    let body = json!({
        "command": command, "stdin": STANDARD.encode(noise), "timeoutMs": 900_000, "maxOutputBytes": 4 << 20,
    });
    Written { body, stdout, stderr }
}

/// Where two sequences differ, for a message.
#[must_use]
pub fn difference(told: &[u8], written: &[u8]) -> Option<String> {
    if told == written {
        return None;
    }
    let at = told
        .iter()
        .zip(written)
        .position(|(a, b)| a != b)
        .unwrap_or(told.len().min(written.len()));
    Some(format!(
        "{} bytes were told and {} written; they differ from {at} on",
        told.len(),
        written.len()
    ))
}
