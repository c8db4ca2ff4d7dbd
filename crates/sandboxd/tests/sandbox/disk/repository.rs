//! A repository behind restic's REST protocol, in memory, that only ever adds.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_LENGTH;
use hyper::{Method, Response};
use molt_common::snapshot::{Manifest, StoredObject};
use serde_json::{Value, json};

#[derive(Default)]
pub struct Repository {
    objects: BTreeMap<String, Bytes>,
}

impl Repository {
    pub fn answer(&mut self, method: &Method, name: &str, body: Bytes) -> Response<Full<Bytes>> {
        if name.ends_with('/') && method == Method::GET {
            let of_kind = |(path, bytes): (&String, &Bytes)| {
                let name = path.strip_prefix(name)?;
                Some(json!({ "name": name, "size": bytes.len() }))
            };
            let listed: Vec<Value> = self.objects.iter().filter_map(of_kind).collect();
            return answer(200, Value::from(listed).to_string());
        }
        match (method.as_str(), self.objects.get(name)) {
            ("GET", Some(bytes)) => answer(200, bytes.clone()),
            ("HEAD", Some(bytes)) => {
                let mut response = answer(200, "");
                response.headers_mut().insert(CONTENT_LENGTH, bytes.len().into());
                response
            }
            ("GET" | "HEAD", None) => answer(404, ""),
            ("POST", None) => {
                self.objects.insert(name.to_owned(), body);
                answer(200, "")
            }
            _ => answer(403, ""),
        }
    }

    /// Loses all objects of a kind.
    pub fn lose(&mut self, kind: &str) {
        self.objects.retain(|name, _| !name.starts_with(kind));
    }

    /// The first object of a snapshot that is not there as it should be.
    pub fn missing(&self, manifest: &Manifest) -> Option<String> {
        let is_there = |kind: &str, object: &StoredObject| {
            let stored = self.objects.get(&format!("{kind}/{}", object.id));
            stored.is_some_and(|bytes| bytes.len() as u64 == object.size)
        };
        let pack = manifest.packs.iter().find(|pack| !is_there("data", pack));
        let index = manifest.indexes.iter().find(|index| !is_there("index", index));
        pack.or(index).map(|object| format!("{} is missing", object.id))
    }
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status.try_into().unwrap();
    response
}
