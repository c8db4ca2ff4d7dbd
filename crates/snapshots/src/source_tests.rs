use super::*;
use rustic_core::ReadSourceOpen as _;
use std::io::Read as _;

/// A home with one file, and a place for copies.
struct Disk {
    folder: tempfile::TempDir,
    findings: Arc<Findings>,
}

impl Disk {
    fn new(file: &str, content: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        std::fs::create_dir(folder.path().join("staging")).unwrap();
        std::fs::write(folder.path().join("home").join(file), content).unwrap();
        Self {
            folder,
            findings: Arc::default(),
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("home").join(path)
    }

    fn walk(&self, copy_first: BTreeSet<PathBuf>) -> Walk {
        let staging = self.folder.path().join("staging");
        let (home, seen) = (self.at("").canonicalize().unwrap(), SeenDatabases::default());
        HomeSource::new(&home, &staging, copy_first, seen, self.findings.clone())
            .unwrap()
            .entries()
    }

    fn only(&self, copy_first: BTreeSet<PathBuf>) -> Entry {
        let mut entries: Vec<_> = self.walk(copy_first).map(Result::unwrap).collect();
        assert_eq!(entries.len(), 1);
        entries.remove(0)
    }
}

fn read(entry: Entry) -> Vec<u8> {
    let mut found = Vec::new();
    entry.open.unwrap().open().unwrap().read_to_end(&mut found).unwrap();
    assert_eq!(entry.node.meta.size, found.len() as u64);
    found
}

#[test]
fn one_that_was_replaced_before_it_was_opened_is_copied_at_the_next_try() {
    let disk = Disk::new("sessions.json", &[b'a'; 100]);
    let entry = disk.only(BTreeSet::new());
    std::fs::write(disk.at("next"), [b'b'; 150]).unwrap();
    std::fs::rename(disk.at("next"), disk.at("sessions.json")).unwrap();
    assert!(entry.open.unwrap().open().is_err());
    let unsteady = disk.findings.take_unsteady();
    assert_eq!(unsteady, BTreeSet::from([PathBuf::from("sessions.json")]));

    let copied = disk.only(unsteady);
    std::fs::write(disk.at("sessions.json"), [b'c'; 200]).unwrap();
    assert_eq!(read(copied), [b'b'; 150]);
    assert_eq!(disk.findings.take_unsteady(), BTreeSet::new());
}

#[test]
fn one_that_was_written_anew_in_its_place_is_copied_at_the_next_try() {
    let unsteady = BTreeSet::from([PathBuf::from("sessions.json")]);
    // As long as before, longer, and from nothing; before it is opened, and while it is read.
    for (before, after) in [(100, 100), (100, 150), (0, 150)] {
        let disk = Disk::new("sessions.json", &vec![b'a'; before]);
        let entry = disk.only(BTreeSet::new());
        wait_for_next_tick(entry.node.meta.ctime);
        std::fs::write(disk.at("sessions.json"), vec![b'b'; after]).unwrap();
        read(entry);
        assert_eq!(disk.findings.take_unsteady(), unsteady, "{before} {after}");
    }
    let disk = Disk::new("sessions.json", &[b'a'; 100]);
    let mut reader = disk.only(BTreeSet::new()).open.unwrap().open().unwrap();
    reader.read_exact(&mut [0; 10]).unwrap();
    std::fs::write(disk.at("sessions.json"), [b'b'; 150]).unwrap();
    assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 90);
    assert_eq!(disk.findings.take_unsteady(), unsteady);
}

#[test]
fn one_that_nobody_wrote_to_is_whole_even_when_another_came_in_its_place_meanwhile() {
    let disk = Disk::new("sessions.json", &[b'a'; 100]);
    assert_eq!(read(disk.only(BTreeSet::new())), [b'a'; 100]);
    let mut reader = disk.only(BTreeSet::new()).open.unwrap().open().unwrap();
    std::fs::write(disk.at("next"), [b'b'; 150]).unwrap();
    std::fs::rename(disk.at("next"), disk.at("sessions.json")).unwrap();
    let mut found = Vec::new();
    reader.read_to_end(&mut found).unwrap();
    assert_eq!(found, [b'a'; 100]);
    assert_eq!(disk.findings.take_unsteady(), BTreeSet::new());
}

#[test]
fn bytes_count_once_they_are_read_or_need_not_be() {
    let disk = Disk::new("large", &[b'a'; 300_000]);
    let bytes = || disk.findings.bytes.load(Ordering::Relaxed);
    let entry = disk.only(BTreeSet::new());
    assert_eq!((bytes(), entry.node.meta.size), (0, 300_000));
    let mut reader = entry.open.unwrap().open().unwrap();
    reader.read_exact(&mut [0; 100_000]).unwrap();
    assert_eq!(bytes(), 100_000);
    reader.read_to_end(&mut Vec::new()).unwrap();
    drop(reader);
    assert_eq!(bytes(), 300_000);
    // One that is unchanged is not opened, and one that cannot be read to its end counts whole all the same.
    drop(disk.only(BTreeSet::new()));
    assert_eq!(bytes(), 600_000);
    let mut reader = disk
        .only(BTreeSet::from(["large".into()]))
        .open
        .unwrap()
        .open()
        .unwrap();
    reader.read_exact(&mut [0; 1]).unwrap();
    drop(reader);
    assert_eq!(bytes(), 900_000);
}

#[test]
fn a_large_database_moves_on_while_it_is_copied_and_checked() {
    let disk = Disk::new("state.db", b"");
    let connection = rusqlite::Connection::open(disk.at("state.db")).unwrap();
    connection
        .execute_batch("CREATE TABLE large (a BLOB); INSERT INTO large VALUES (randomblob(50000000))")
        .unwrap();
    drop(connection);
    let entry = disk.only(BTreeSet::new());
    let told = || [&disk.findings.steps, &disk.findings.bytes].map(|count| count.load(Ordering::Relaxed));
    let [steps, bytes] = told();
    // Of 12,000 pages: some fifty steps of its copy, one of its check.
    assert!(steps > 40 && bytes == 0, "{steps} {bytes}");
    let size = entry.node.meta.size;
    read(entry);
    assert_eq!(told(), [steps, size]);
}
