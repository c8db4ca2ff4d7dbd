//! Archives made by GNU's tar, whole and harmed, and hostile ones made by hand.

use super::*;
use crate::progress::Progress;
use flate2::Compression;
use flate2::write::GzEncoder;
use molt_common::legacy_data::ImportReport;
use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Command;
use tar::{Builder, Header};

struct Outcome {
    home: tempfile::TempDir,
    report: ImportReport,
    trouble: Option<String>,
}

fn unpacked(bytes: &[u8]) -> Outcome {
    let home = tempfile::tempdir().unwrap();
    let root: OwnedFd = fs::File::open(home.path()).unwrap().into();
    let progress = Progress::default();
    let own = fs::metadata(home.path()).unwrap();
    let mut laying = Laying::new(&root, home.path(), (own.uid(), own.gid()), &progress);
    let done = unpack_from(Counted::new(MultiGzDecoder::new(bytes)), &mut laying);
    let report = laying.finish().map_err(|failure| failure.to_string()).unwrap();
    let trouble = done.err().map(|trouble| match trouble {
        Trouble::Broken(why) => format!("broken: {why}"),
        Trouble::Failure(failure) => failure.to_string(),
    });
    Outcome { home, report, trouble }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// What the old system ran: `tar -czf - root` in `/`.
fn by_gnu_tar() -> Vec<u8> {
    let slash = tempfile::tempdir().unwrap();
    let root = slash.path().join("root");
    fs::create_dir_all(root.join(".openclaw/agents/main")).unwrap();
    fs::create_dir_all(root.join("openclaw/.git")).unwrap();
    fs::create_dir_all(root.join(".openclaw-templates")).unwrap();
    fs::write(root.join(".openclaw/.restore-time"), "1").unwrap();
    fs::write(root.join(".openclaw-templates/t"), "1").unwrap();
    fs::write(root.join("openclaw/bytes"), vec![7; 300_000]).unwrap();
    fs::write(root.join("openclaw").join("n".repeat(200)), "long").unwrap();
    fs::write(root.join("openclaw/odd\n name ü"), "odd").unwrap();
    fs::write(root.join("openclaw/closed"), "closed").unwrap();
    fs::set_permissions(root.join("openclaw/closed"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(root.join("openclaw/bytes"), root.join("openclaw/same bytes")).unwrap();
    symlink("/root/openclaw/bytes", root.join("within")).unwrap();
    symlink("../etc/passwd", root.join("out")).unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(5_000_000).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", 4_999_997).unwrap();
    let made = Command::new("tar")
        .args(["-Sczf", "-", "root"])
        .current_dir(slash.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

#[test]
fn what_gnu_tar_made_is_there() {
    let Outcome { home, report, trouble } = unpacked(&by_gnu_tar());
    assert_eq!(trouble, None);
    let at = |path: &str| home.path().join(path);
    assert_eq!(fs::read(at("openclaw/bytes")).unwrap(), vec![7; 300_000]);
    assert_eq!(fs::read(at("openclaw/odd\n name ü")).unwrap(), b"odd");
    assert_eq!(fs::read(at("openclaw").join("n".repeat(200))).unwrap(), b"long");
    assert_eq!(
        fs::metadata(at("openclaw/same bytes")).unwrap().ino(),
        fs::metadata(at("openclaw/bytes")).unwrap().ino()
    );
    assert_eq!(
        fs::metadata(at("openclaw/closed")).unwrap().mode() & 0o7777,
        0o755,
        "nothing runs as somebody else"
    );
    assert_eq!(fs::read_link(at("within")).unwrap(), at("openclaw/bytes"));
    let sparse = fs::read(at("sparse")).unwrap();
    assert!(sparse.len() == 5_000_000 && sparse.ends_with(b"end"));
    assert!(
        at("openclaw/.git").is_dir() && !at(".openclaw-templates").exists() && !at(".openclaw/.restore-time").exists()
    );
    assert_eq!(
        report.refused,
        ["root/out: it is a link out of the home, to ../etc/passwd"]
    );
    assert_eq!((report.files, report.refused_count), (5, 1), "{report:?}");
    assert_eq!(report.bytes, 300_000 + 4 + 3 + 6 + 5_000_000);
}

#[test]
fn what_is_cut_or_harmed_anywhere_is_not_whole() {
    let whole = by_gnu_tar();
    for cut in [0, 1, 18, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let trouble = unpacked(&whole[..cut]).trouble.unwrap_or_default();
        assert!(
            trouble.starts_with("broken"),
            "cut at {cut} of {}: {trouble}",
            whole.len()
        );
    }
    // The checksum of the compression.
    let mut harmed = whole.clone();
    let at = harmed.len() - 6;
    harmed[at] ^= 1;
    assert!(unpacked(&harmed).trouble.unwrap_or_default().starts_with("broken"));
    let mut followed = whole.clone();
    followed.extend_from_slice(b"something else");
    assert!(unpacked(&followed).trouble.is_some());
}

#[test]
fn an_archive_that_was_cut_before_it_was_compressed_is_not_whole() {
    let mut plain = Vec::new();
    MultiGzDecoder::new(&by_gnu_tar()[..]).read_to_end(&mut plain).unwrap();
    let last = plain.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let end = last.next_multiple_of(512);
    for cut in [end, end + 512, end - 512, 512, 0] {
        let trouble = unpacked(&packed(&plain[..cut])).trouble.unwrap_or_default();
        assert!(trouble.starts_with("broken"), "{cut}: {trouble}");
    }
    assert_eq!(
        unpacked(&packed(&plain[..end + 1024])).trouble,
        None,
        "two empty blocks are an end"
    );
}

fn entry(tar: &mut Builder<Vec<u8>>, name: &[u8], kind: EntryType, target: &[u8], body: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(body.len() as u64);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..name.len()].copy_from_slice(name);
    gnu.linkname[..target.len()].copy_from_slice(target);
    header.set_cksum();
    tar.append(&header, body).unwrap();
}

#[test]
fn hostile_members_are_refused_and_named_and_reach_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "kept").unwrap();
    let mut tar = Builder::new(Vec::new());
    let out = outside.path().to_str().unwrap().as_bytes().to_vec();
    entry(&mut tar, b"/etc/hostile", EntryType::Regular, b"", b"x");
    entry(&mut tar, b"root/../../hostile", EntryType::Regular, b"", b"x");
    entry(&mut tar, b"etc/hostile", EntryType::Regular, b"", b"x");
    entry(&mut tar, b"root/door", EntryType::Symlink, &out, b"");
    entry(&mut tar, b"root/here", EntryType::Symlink, b"folder", b"");
    entry(&mut tar, b"root/folder", EntryType::Directory, b"", b"");
    entry(&mut tar, b"root/here/through", EntryType::Regular, b"", b"x");
    entry(
        &mut tar,
        b"root/hard",
        EntryType::Link,
        &[out.as_slice(), b"/victim"].concat(),
        b"",
    );
    entry(&mut tar, b"root/null", EntryType::Char, b"", b"");
    entry(&mut tar, b"root/disk", EntryType::Block, b"", b"");
    entry(&mut tar, b"root/pipe", EntryType::Fifo, b"", b"");
    entry(&mut tar, b"root/good", EntryType::Regular, b"", b"first");
    entry(&mut tar, b"root/good", EntryType::Regular, b"", b"second");
    entry(&mut tar, b"root/good/below", EntryType::Regular, b"", b"x");
    let Outcome { home, report, trouble } = unpacked(&packed(&tar.into_inner().unwrap()));
    assert_eq!(trouble, None);
    assert_eq!(report.refused_count, 10, "{:#?}", report.refused);
    for name in [
        "/etc/hostile",
        "root/../../hostile",
        "etc/hostile",
        "root/door",
        "root/here/through",
        "root/hard",
        "root/null",
        "root/disk",
        "root/pipe",
        "root/good/below",
    ] {
        assert!(
            report
                .refused
                .iter()
                .any(|refused| refused.starts_with(&format!("{name}: "))),
            "{name}: {:#?}",
            report.refused
        );
    }
    assert_eq!(fs::read(home.path().join("good")).unwrap(), b"second");
    assert_eq!((report.files, report.bytes), (1, 6));
    assert_eq!(fs::read(&victim).unwrap(), b"kept");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}
