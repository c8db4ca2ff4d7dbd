//! What sandboxes and providers write: usage is read alike however bodies are cut, no key passes the veil, no odd path and no row for a stranger's host.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use molt_common::provider::path::{asked, is_plain};
use molt_common::provider::table::Table;
use molt_common::provider::veil::Veil;
use molt_common::provider_usage::UsageReader;
use molt_common::usage::Tokens;

const KEY: &str = "sk-key-0123456789";

#[derive(Arbitrary, Debug)]
struct Input {
    body: Vec<u8>,
    cuts: Vec<u16>,
    text: String,
}

impl Input {
    fn pieces(&self) -> Vec<&[u8]> {
        let mut places: Vec<usize> = self
            .cuts
            .iter()
            .map(|cut| usize::from(*cut) % (self.body.len() + 1))
            .collect();
        places.extend([0, self.body.len()]);
        places.sort_unstable();
        places.windows(2).map(|pair| &self.body[pair[0]..pair[1]]).collect()
    }
}

fn read(content_type: &str, pieces: &[&[u8]]) -> (Option<String>, Option<Tokens>) {
    let mut reader = UsageReader::of(Some(content_type));
    for piece in pieces {
        reader.read(piece);
    }
    (reader.model().map(str::to_owned), reader.tokens())
}

fuzz_target!(|input: Input| {
    let pieces = input.pieces();
    for content_type in ["application/json", "text/event-stream"] {
        let (model, tokens) = read(content_type, &[&input.body]);
        assert_eq!(read(content_type, &pieces), (model.clone(), tokens));
        assert!(model.is_none_or(|model| (1..=128).contains(&model.len()) && !model.chars().any(char::is_control)));
        assert!(tokens.is_none_or(|tokens| tokens.cached_input <= tokens.input));
    }

    let mut veil = Veil::of(KEY);
    let mut seen = Vec::new();
    for piece in &pieces {
        if veil.leaves(piece) {
            seen.extend_from_slice(piece);
        } else {
            seen.extend(veil.pass(piece));
        }
    }
    seen.extend(veil.rest());
    assert_eq!(seen.len(), input.body.len(), "as long as it was");
    assert!(
        !seen.windows(KEY.len()).any(|part| part == KEY.as_bytes()),
        "the key passed"
    );

    let path = format!("/_molt/providers/{}", input.text);
    if let Some(read) = asked(&path) {
        assert_eq!(format!("/_molt/providers/{}{}", read.provider, read.path), path);
        assert!(is_plain(read.path) && !read.path.split('/').any(|part| part == ".."));
        assert!(!read.path.contains(['%', '\\', '?', '#', ';']), "{path}");
    }
    if let Ok(table) = Table::read(Some(&input.text), Some(&input.text)) {
        for row in table.rows() {
            let loopback = [
                "http://127.",
                "http://localhost",
                "http://[::1]",
                "http://[::ffff:127.",
                "http://[0",
            ];
            let is_safe =
                row.base_url.starts_with("https://") || loopback.iter().any(|base| row.base_url.starts_with(base));
            assert!(is_safe, "{}", row.base_url);
        }
    }
});
