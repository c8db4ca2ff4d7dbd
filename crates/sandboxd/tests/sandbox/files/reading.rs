//! Reading: bytes, ranges, lists, archives.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use molt_common::control::files::{FileEntry, FileKind, FileList};
use reqwest::Method;

use super::{files, get, refused};
use crate::support::{Sandbox, memory_of};

async fn list(sandbox: &Sandbox, query: &str) -> FileList {
    let answer = get(sandbox, &format!("{query}&as=list")).await;
    assert_eq!(answer.status(), 200, "{query}");
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_file_is_read_whole_in_parts_and_not_again() {
    let sandbox = Sandbox::ready().await;
    fs::write(sandbox.home().join("digits"), "0123456789").unwrap();
    let whole = get(&sandbox, "path=digits").await;
    assert_eq!(whole.status(), 200);
    let header = |name: &str| {
        whole
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header("content-length").as_deref(), Some("10"));
    assert_eq!(header("content-type").as_deref(), Some("application/octet-stream"));
    assert_eq!(header("x-files-source").as_deref(), Some("sandbox"));
    assert_eq!(header("x-files-generation").as_deref(), Some("3"));
    let etag = header("etag").unwrap();
    assert_eq!(whole.text().await.unwrap(), "0123456789");
    for (range, status, told, bytes) in [
        ("bytes=2-4", 206, Some("bytes 2-4/10"), "234"),
        ("bytes=-3", 206, Some("bytes 7-9/10"), "789"),
        ("bytes=10-", 416, Some("bytes */10"), ""),
        ("bytes=0-1,4-5", 200, None, "0123456789"),
    ] {
        let part = files(&sandbox, Method::GET, "path=digits")
            .header("range", range)
            .send()
            .await
            .unwrap();
        assert_eq!(part.status().as_u16(), status, "{range}");
        assert_eq!(
            part.headers().get("content-range").map(|value| value.to_str().unwrap()),
            told,
            "{range}"
        );
        assert_eq!(part.text().await.unwrap(), bytes, "{range}");
    }
    let same = files(&sandbox, Method::GET, "path=digits")
        .header("if-none-match", &etag)
        .send()
        .await
        .unwrap();
    assert_eq!(same.status(), 304);
    let old = files(&sandbox, Method::GET, "path=digits")
        .header("range", "bytes=2-4")
        .header("if-range", "\"old\"");
    assert_eq!(old.send().await.unwrap().status(), 200);
    let head = files(&sandbox, Method::HEAD, "path=digits").send().await.unwrap();
    assert_eq!(
        (
            head.status().as_u16(),
            head.headers()["content-length"].to_str().unwrap()
        ),
        (200, "10")
    );
    for (query, status, code) in [
        ("path=nowhere", 404, "not_found"),
        ("path=", 409, "is_a_folder"),
        ("path=digits/x", 409, "not_a_folder"),
        ("path=a/../digits", 400, "invalid_request"),
        ("path=digits&as=list", 409, "not_a_folder"),
        ("path=digits&force=1", 400, "invalid_request"),
    ] {
        assert_eq!(
            refused(get(&sandbox, query).await).await,
            (status, code.to_owned()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn names_that_are_no_text_are_listed_and_read() {
    let sandbox = Sandbox::ready().await;
    let odd = [
        b"\xff\xfe".as_slice(),
        b"new\nline",
        b"a b+c&d=e%20?#",
        "\u{fc}ber \u{1f600}".as_bytes(),
        b"...",
    ];
    let folder = sandbox.home().join("odd");
    fs::create_dir(&folder).unwrap();
    for name in odd {
        fs::write(folder.join(OsStr::from_bytes(name)), name).unwrap();
    }
    symlink("../odd", folder.join("zz")).unwrap();
    let listed = list(&sandbox, "path=odd").await;
    assert_eq!(listed.entries.len(), odd.len() + 1);
    for entry in &listed.entries {
        if entry.kind == FileKind::Link {
            assert_eq!(entry.target.as_deref(), Some("../odd"));
            continue;
        }
        let bytes = get(&sandbox, &format!("path={}", entry.path))
            .await
            .bytes()
            .await
            .unwrap();
        let name = molt_common::home_path::decoded(&entry.path).unwrap();
        assert_eq!(bytes, name["odd/".len()..], "{}", entry.path);
        let told = get(&sandbox, &format!("path={}&as=stat", entry.path)).await;
        assert_eq!(&told.json::<FileEntry>().await.unwrap(), entry);
    }
    // A link that stays below is followed.
    assert_eq!(list(&sandbox, "path=odd/zz").await.entries.len(), odd.len() + 1);
}

#[tokio::test]
async fn a_folder_of_ten_thousand_comes_page_by_page() {
    let sandbox = Sandbox::ready().await;
    let folder = sandbox.home().join("many");
    fs::create_dir(&folder).unwrap();
    for number in 0..10_000 {
        fs::write(folder.join(format!("{number:05}")), "").unwrap();
    }
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = list(&sandbox, &format!("path=many&limit=999{after}")).await;
        assert!(page.entries.len() <= 999);
        names.extend(page.entries.into_iter().map(|entry| entry.name));
        let Some(cursor) = page.next_cursor else { break };
        after = format!("&after={cursor}");
    }
    let expected: Vec<String> = (0..10_000).map(|number| format!("{number:05}")).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn an_archive_has_everything_but_pipes_and_is_never_held_in_memory() {
    let sandbox = Sandbox::ready().await;
    let folder = sandbox.home().join("work");
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    fs::write(folder.join("deep/er/file"), vec![7; 64 << 20]).unwrap();
    fs::write(folder.join(OsStr::from_bytes(b"\xff")), "odd").unwrap();
    fs::write(folder.join("x".repeat(200)), "long").unwrap();
    symlink("/etc/passwd", folder.join("link")).unwrap();
    nix::unistd::mkfifo(&folder.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let before = memory_of(sandbox.serve_pid());
    let answer = get(&sandbox, "path=work&as=tar").await;
    assert_eq!(answer.headers()["content-type"], "application/x-tar");
    let bytes = answer.bytes().await.unwrap();
    let grown = memory_of(sandbox.serve_pid()).saturating_sub(before);
    assert!(grown < 24 << 20, "grew by {grown} bytes");
    let mut found = Vec::new();
    for entry in tar::Archive::new(bytes.as_ref()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path_bytes().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        match entry.link_name_bytes() {
            Some(target) => assert_eq!(target.as_ref(), b"/etc/passwd", "the link, not where it leads"),
            None if path.ends_with(b"file") => assert!(content == vec![7; 64 << 20]),
            None => {}
        }
        found.push(path);
    }
    found.sort();
    let mut expected = [
        b"work".to_vec(),
        b"work/deep".to_vec(),
        b"work/deep/er".to_vec(),
        b"work/deep/er/file".to_vec(),
        b"work/link".to_vec(),
        b"work/\xff".to_vec(),
        format!("work/{}", "x".repeat(200)).into_bytes(),
    ];
    expected.sort();
    let trimmed: Vec<Vec<u8>> = found
        .iter()
        .map(|path| path.strip_suffix(b"/").unwrap_or(path).to_vec())
        .collect();
    assert_eq!(trimmed, expected);
}
