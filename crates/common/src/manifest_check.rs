//! Whether what a snapshot needs is in the bucket: the manifest on one side, lists of the bucket on the other.

use crate::repository_path::Kind;
use crate::snapshot::{Manifest, ObjectId, StoredObject};
use std::collections::HashMap;

/// What has not been seen yet.
#[derive(Debug)]
pub struct ManifestCheck {
    packs: HashMap<ObjectId, u64>,
    indexes: HashMap<ObjectId, u64>,
}

impl ManifestCheck {
    /// What a manifest needs.
    ///
    /// # Errors
    /// Why it is incomplete by itself: one object with two sizes, or packs that no index names.
    pub fn of(manifest: &Manifest) -> Result<Self, String> {
        if manifest.indexes.is_empty() && !manifest.packs.is_empty() {
            return Err("it names packs, but no index".into());
        }
        Ok(Self {
            packs: wanted("pack", &manifest.packs)?,
            indexes: wanted("index", &manifest.indexes)?,
        })
    }

    /// Kinds of which something is still to be seen.
    pub fn unseen(&self) -> impl Iterator<Item = Kind> {
        let packs = (!self.packs.is_empty()).then_some(Kind::Data);
        let indexes = (!self.indexes.is_empty()).then_some(Kind::Index);
        [indexes, packs].into_iter().flatten()
    }

    /// Whether nothing of a kind is still to be seen.
    #[must_use]
    pub fn has_seen_all(&self, kind: Kind) -> bool {
        match kind {
            Kind::Data => self.packs.is_empty(),
            Kind::Index => self.indexes.is_empty(),
            Kind::Keys | Kind::Locks | Kind::Snapshots => true,
        }
    }

    /// An object that is in the bucket, with its size. One that is not needed, or was seen before, says nothing.
    ///
    /// # Errors
    /// When it has another size than the manifest says.
    pub fn see(&mut self, kind: Kind, id: &ObjectId, size: u64) -> Result<(), String> {
        let (word, wanted) = match kind {
            Kind::Data => ("pack", &mut self.packs),
            Kind::Index => ("index", &mut self.indexes),
            Kind::Keys | Kind::Locks | Kind::Snapshots => return Ok(()),
        };
        match wanted.remove(id) {
            Some(said) if said != size => Err(format!("{word} {id} has {size} bytes, not {said}")),
            _ => Ok(()),
        }
    }

    /// All was seen.
    ///
    /// # Errors
    /// Which object is not there.
    pub fn done(&self) -> Result<(), String> {
        for (word, missing) in [("index", &self.indexes), ("pack", &self.packs)] {
            // The smallest name, so that the same lack is told the same way.
            if let Some(id) = missing.keys().min() {
                let others = missing.len() - 1;
                let more = if others == 0 {
                    String::new()
                } else {
                    format!(", and {others} others")
                };
                return Err(format!("{word} {id} is not there{more}"));
            }
        }
        Ok(())
    }
}

fn wanted(word: &str, objects: &[StoredObject]) -> Result<HashMap<ObjectId, u64>, String> {
    let mut wanted = HashMap::with_capacity(objects.len());
    for StoredObject { id, size } in objects {
        if wanted.insert(*id, *size).is_some_and(|before| before != *size) {
            return Err(format!("{word} {id} is named with two sizes"));
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::ManifestCheck;
    use crate::repository_path::Kind;
    use crate::snapshot::{Manifest, ObjectId, StoredObject};
    use crate::time::Millis;

    fn id(number: u8) -> ObjectId {
        ObjectId::new([number; 32])
    }

    fn objects(list: &[(u8, u64)]) -> Vec<StoredObject> {
        list.iter()
            .map(|(number, size)| StoredObject {
                id: id(*number),
                size: *size,
            })
            .collect()
    }

    fn manifest(packs: &[(u8, u64)], indexes: &[(u8, u64)]) -> Manifest {
        Manifest {
            snapshot: id(9),
            tree: id(8),
            parent: None,
            taken_at: Millis(1),
            files: 1,
            folders: 1,
            others: 0,
            bytes: 1,
            added_bytes: 1,
            databases: 0,
            unreadable: vec![],
            unreadable_count: 0,
            packs: objects(packs),
            indexes: objects(indexes),
        }
    }

    #[test]
    fn what_is_there_with_its_size_is_enough() {
        let mut check = ManifestCheck::of(&manifest(&[(1, 10), (2, 20), (2, 20)], &[(3, 30)])).unwrap();
        assert_eq!(check.unseen().collect::<Vec<_>>(), [Kind::Index, Kind::Data]);
        for (kind, number, size) in [
            (Kind::Data, 7, 1),
            (Kind::Data, 1, 10),
            (Kind::Index, 3, 30),
            (Kind::Snapshots, 2, 1),
        ] {
            check.see(kind, &id(number), size).unwrap();
        }
        assert!(check.has_seen_all(Kind::Index) && !check.has_seen_all(Kind::Data));
        assert_eq!(check.unseen().collect::<Vec<_>>(), [Kind::Data]);
        check.see(Kind::Data, &id(2), 20).unwrap();
        check.done().unwrap();
        ManifestCheck::of(&manifest(&[], &[])).unwrap().done().unwrap();
    }

    #[test]
    fn what_is_missing_or_has_another_size_is_named() {
        let mut check = ManifestCheck::of(&manifest(&[(1, 10), (2, 20)], &[(3, 30)])).unwrap();
        let why = check.see(Kind::Data, &id(1), 9).unwrap_err();
        assert!(
            why.contains(&id(1).to_string()) && why.contains("9 bytes, not 10"),
            "{why}"
        );
        // A pack is no index, whatever its name.
        check.see(Kind::Data, &id(3), 30).unwrap();
        let why = check.done().unwrap_err();
        assert!(why.starts_with("index") && why.contains(&id(3).to_string()), "{why}");
        check.see(Kind::Index, &id(3), 30).unwrap();
        let why = check.done().unwrap_err();
        assert!(why.contains(&id(2).to_string()), "{why}");
    }

    #[test]
    fn a_manifest_that_contradicts_itself_is_refused() {
        assert!(ManifestCheck::of(&manifest(&[(1, 10), (1, 11)], &[(3, 30)])).is_err());
        assert!(ManifestCheck::of(&manifest(&[(1, 10)], &[])).is_err());
    }
}
