//! In which content coding an answer goes to the client that asked (RFC 9110 8.4, 12.5.3). Pure.

/// Answers shorter than this many bytes are not worth it.
pub const LEAST: u64 = 1024;

/// Codings that can be made and undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878).
    Zstd,
    /// `gzip` (RFC 1952).
    Gzip,
    /// `deflate`, the zlib format (RFC 1950); undone, never made.
    Deflate,
}

impl Coding {
    /// Those that are made, the best first.
    const MADE: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// Name in `Content-Encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// The coding of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = canonical(name);
        [Self::Brotli, Self::Zstd, Self::Gzip, Self::Deflate]
            .into_iter()
            .find(|coding| coding.name() == name)
    }
}

fn canonical(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    match name.strip_prefix("x-") {
        // Equivalent by RFC 9110 8.4.1.3.
        Some("gzip") => "gzip".into(),
        _ => name,
    }
}

/// An `Accept-Encoding`, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Name and weight in thousandths.
    named: Vec<(String, u16)>,
}

impl Accepted {
    /// Reads the header. What cannot be read is left out, so that it asks for nothing; no header at all is `identity`.
    #[must_use]
    pub fn parse(header: &str) -> Self {
        let named = header.split(',').filter_map(|element| {
            let mut parts = element.split(';');
            let name = canonical(parts.next()?);
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(sound) {
                return None;
            }
            let weight = match (parts.next(), parts.next()) {
                (None, _) => 1000,
                (Some(parameter), None) => weight(parameter)?,
                (Some(_), Some(_)) => return None,
            };
            Some((name, weight))
        });
        Self { named: named.collect() }
    }

    /// Weight of a coding in thousandths; `None` where the client says nothing about it. A name that stands there twice has its lowest.
    fn weight(&self, name: &str) -> Option<u16> {
        let of = |wanted: &str| {
            let weights = self.named.iter().filter(|(named, _)| named == wanted);
            weights.map(|(_, weight)| *weight).min()
        };
        of(name).or_else(|| of("*"))
    }

    /// Whether the client takes this coding. Without a word about it, it does not.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        let name = canonical(name);
        name == "identity" || self.weight(&name).is_some_and(|weight| weight > 0)
    }

    /// The coding to make: the client's favourite, ours among equals; `None` when it would rather have the content as it is.
    #[must_use]
    pub fn favourite(&self) -> Option<Coding> {
        // Not named it is taken, but any coding that is named is liked better (nobody names one for nothing).
        let plain = self.weight("identity").unwrap_or(0);
        let mut best: Option<(Coding, u16)> = None;
        for coding in Coding::MADE {
            let weight = self.weight(coding.name()).unwrap_or(0);
            if weight > best.map_or(0, |(_, best)| best) {
                best = Some((coding, weight));
            }
        }
        best.filter(|(_, weight)| *weight >= plain).map(|(coding, _)| coding)
    }
}

/// `q=0.5` in thousandths.
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let value = value.trim();
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let sound = matches!(whole, "0" | "1") && fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = if sound {
        format!("{whole}{fraction:0<3}").parse().ok()?
    } else {
        return None;
    };
    (thousandths <= 1000).then_some(thousandths)
}

/// What is known of an answer before its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Content-Encoding`, repeated ones joined.
    pub content_encoding: Option<&'a str>,
    /// `Content-Length`, bytes.
    pub content_length: Option<u64>,
    /// `Cache-Control`, repeated ones joined.
    pub cache_control: Option<&'a str>,
    /// It states a hash of its bytes (`Content-Digest`, `Digest`, `Content-MD5`), which would be wrong of other bytes.
    pub hashed: bool,
    /// The request asked for a part (`Range`).
    pub ranged: bool,
}

/// What becomes of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It passes as it is.
    AsIs,
    /// It is compressed.
    Make(Coding),
    /// It is decompressed: this client did not ask for what the agent gave.
    Undo(Coding),
}

impl Answer<'_> {
    /// What becomes of the body, for a client that takes these codings.
    #[must_use]
    pub fn treatment(&self, accepted: &Accepted) -> Treatment {
        if !self.may_change() {
            return Treatment::AsIs;
        }
        match self.coding_there_is() {
            Some(there) if accepted.takes(there) => Treatment::AsIs,
            // Several, one over the other, are left to who put them there.
            Some(there) => Coding::named(there).map_or(Treatment::AsIs, Treatment::Undo),
            None if !self.is_worth_it() => Treatment::AsIs,
            None => accepted.favourite().map_or(Treatment::AsIs, Treatment::Make),
        }
    }

    /// Whether another client might be answered in another coding, so that caches must be told (`Vary`).
    #[must_use]
    pub fn varies(&self) -> bool {
        // A 304 speaks for the 200 that a cache has.
        self.status == 304 || (self.may_change() && (self.coding_there_is().is_some() || self.is_worth_it()))
    }

    fn may_change(&self) -> bool {
        let has_whole_body = self.status >= 200 && !matches!(self.status, 204 | 205 | 206 | 304);
        has_whole_body && !self.ranged && !self.hashed && !directive(self.cache_control, "no-transform")
    }

    fn coding_there_is(&self) -> Option<&str> {
        self.content_encoding
            .map(str::trim)
            .filter(|there| !there.is_empty() && !there.eq_ignore_ascii_case("identity"))
    }

    fn is_worth_it(&self) -> bool {
        self.content_length.is_none_or(|length| length >= LEAST) && self.content_type.is_some_and(is_compressible)
    }
}

fn directive(header: Option<&str>, name: &str) -> bool {
    header.is_some_and(|header| header.split(',').any(|one| one.trim().eq_ignore_ascii_case(name)))
}

/// Whether content of this type gets smaller. Event streams stay as they are: they are short pieces, each of which is waited for.
#[must_use]
pub fn is_compressible(content_type: &str) -> bool {
    const WHOLE: [&str; 14] = [
        "application/ecmascript",
        "application/javascript",
        "application/json",
        "application/graphql",
        "application/manifest+json",
        "application/vnd.ms-fontobject",
        "application/wasm",
        "application/x-javascript",
        "application/x-ndjson",
        "application/xml",
        "application/yaml",
        "font/otf",
        "font/ttf",
        "image/x-icon",
    ];
    let kind = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind != "text/event-stream"
        && (kind.starts_with("text/")
            || WHOLE.contains(&kind.as_str())
            || kind.ends_with("+json")
            || kind.ends_with("+xml"))
}

/// The entity tag of content that was coded on the way: no longer byte for byte what the agent meant (RFC 9110 8.8.1).
#[must_use]
pub fn weakened(etag: &str) -> String {
    if etag.starts_with("W/") {
        etag.to_owned()
    } else {
        format!("W/{etag}")
    }
}

/// Whether an `If-None-Match` asks about the weakened form of this strong entity tag, so that the answer to it must name that form.
#[must_use]
pub fn asks_for_weakened(if_none_match: &str, etag: &str) -> bool {
    !etag.starts_with("W/")
        && if_none_match
            .split(',')
            .any(|one| one.trim().strip_prefix("W/") == Some(etag))
}

#[cfg(test)]
#[path = "content_coding_tests.rs"]
mod tests;
