//! Names of files as restic writes them: bytes with escapes of the language Go (`strconv.Quote`), so that names that are not UTF-8 fit into JSON.

/// The bytes that a quoted name stands for; `None` when it is not one.
#[must_use]
pub fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            push(&mut bytes, character);
            continue;
        }
        match rest.next()? {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' => bytes.push(b'\\'),
            '"' => bytes.push(b'"'),
            'x' => bytes.push(u8::try_from(number(&mut rest, 2, 16)?).ok()?),
            'u' => push(&mut bytes, char::from_u32(number(&mut rest, 4, 16)?)?),
            'U' => push(&mut bytes, char::from_u32(number(&mut rest, 8, 16)?)?),
            first @ '0'..='7' => {
                let high = first.to_digit(8)?.checked_mul(64)?;
                bytes.push(u8::try_from(high.checked_add(number(&mut rest, 2, 8)?)?).ok()?);
            }
            _ => return None,
        }
    }
    Some(bytes)
}

fn push(bytes: &mut Vec<u8>, character: char) {
    let mut room = [0; 4];
    bytes.extend_from_slice(character.encode_utf8(&mut room).as_bytes());
}

fn number(rest: &mut std::str::Chars<'_>, digits: u32, radix: u32) -> Option<u32> {
    (0..digits).try_fold(0_u32, |sum, _| {
        sum.checked_mul(radix)?.checked_add(rest.next()?.to_digit(radix)?)
    })
}

#[cfg(test)]
mod tests {
    use super::unquote;

    #[test]
    fn escapes_stand_for_bytes() {
        for (quoted, bytes) in [
            ("plain name.txt", b"plain name.txt".as_slice()),
            (r"a\nb\t\\\x22\x00", b"a\nb\t\\\"\0"),
            (r"\xff\xfe", b"\xff\xfe"),
            (r"\u00fcber\U0001f600", "über😀".as_bytes()),
            ("über", "über".as_bytes()),
            (r"\101\377", b"A\xff"),
            (r"\a\b\f\r\v", b"\x07\x08\x0c\r\x0b"),
        ] {
            assert_eq!(unquote(quoted).as_deref(), Some(bytes), "{quoted}");
        }
        for bad in [
            r"\",
            r"\x",
            r"\x1",
            r"\xgg",
            r"\u12",
            r"\ud800",
            r"\U00110000",
            r"\q",
            r"\400",
            r"\'",
            r"\1",
        ] {
            assert_eq!(unquote(bad), None, "{bad}");
        }
    }
}
