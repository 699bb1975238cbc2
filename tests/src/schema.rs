//! The published schemas, and whether a document keeps to one. The judging is the `jsonschema`
//! crate's: nobody here wrote it.

use crate::repo;
use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the schemas are, one `NAME.schema.json` a document.
pub fn folder() -> PathBuf {
    repo().join("schemas")
}

/// The schema of this name, as JSON; panics when there is none or it is not JSON.
pub fn load(name: &str) -> Value {
    let path = folder().join(format!("{name}.schema.json"));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    match serde_json::from_str(&text) {
        Ok(value) => value,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// What is wrong with `document` by the schema `name`: the place in the document and the rule.
/// Empty when nothing is.
pub fn complaints(name: &str, document: &Value) -> Vec<String> {
    let validator = validator(name);
    validator.iter_errors(document).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

/// Panics, naming every fault, unless `document` keeps to the schema `name`.
pub fn validate(name: &str, document: &Value) {
    let wrong = complaints(name, document);
    assert!(wrong.is_empty(), "against {name}.schema.json:\n{}\n{document:#}", wrong.join("\n"));
}

/// Compiling a schema costs more than using it: each is compiled once.
fn validator(name: &str) -> Arc<Validator> {
    static COMPILED: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let compile =
        || match jsonschema::draft202012::options().with_retriever(Here).build(&load(name)) {
            Ok(validator) => Arc::new(validator),
            Err(error) => panic!("{name}.schema.json: {error}"),
        };
    Arc::clone(compiled.entry(name.to_owned()).or_insert_with(compile))
}

/// One schema may name another by its `$id`, `urn:hopclock:schema:NAME:1`: the file beside it.
struct Here;

impl Retrieve for Here {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.as_str().strip_prefix("urn:hopclock:schema:");
        match name.and_then(|name| name.split(':').next()) {
            Some(name) => Ok(load(name)),
            None => Err(format!("no schema of ours: {uri}").into()),
        }
    }
}
