//! The published schemas: each is sound, accepts the contract's own example, and refuses every
//! document that leaves out a promised field or uses a word nobody promised.
//!
//! The examples in `contract/` are the contract's, with its "…" filled in. What commands print is
//! held against the schemas where the commands are tested.

use hopclock_core::inquest::causes::Causes;
use hopclock_core::terms;
use hopclock_tests::{material, repo, schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Every schema and the documents of the contract it describes. A schema not listed fails a test.
fn contract() -> Vec<(&'static str, Value)> {
    let toml: toml::Value = toml::from_str(include_str!("../contract/evidence.toml")).unwrap();
    let json = |text| serde_json::from_str::<Value>(text).unwrap();
    vec![
        ("evidence", serde_json::to_value(toml).unwrap()),
        ("drift", json(include_str!("../contract/drift.json"))),
        ("fix", json(include_str!("../contract/fix.json"))),
        ("flow", json(include_str!("../contract/flow.json"))),
        ("flows", json(include_str!("../contract/flows.json"))),
        ("forecast", json(include_str!("../contract/forecast.json"))),
        ("lab", json(include_str!("../contract/lab.json"))),
        ("lint", json(include_str!("../contract/lint.json"))),
        ("pair", json(include_str!("../contract/pair.json"))),
        ("pairs", json(include_str!("../contract/pairs.json"))),
        ("replay", json(include_str!("../contract/replay.json"))),
        ("replay", json(include_str!("../contract/replay.event.json"))),
        ("report", json(include_str!("../contract/report.json"))),
        ("rhythm", json(include_str!("../contract/rhythm.json"))),
        ("snapshot", json(include_str!("../contract/snapshot.json"))),
        ("sweep", json(include_str!("../contract/sweep.json"))),
        ("story", json(include_str!("../contract/story.json"))),
        ("truth", json(include_str!("../contract/truth.json"))),
    ]
}

fn names() -> BTreeSet<String> {
    let entries = fs::read_dir(schema::folder()).unwrap().map(|e| e.unwrap().file_name());
    let name = |file: &str| file.strip_suffix(".schema.json").unwrap_or(file).to_owned();
    entries.map(|file| name(&file.to_string_lossy())).collect()
}

#[test]
fn every_schema_is_tried_on_the_contracts_example() {
    let mut listed: BTreeSet<String> = contract().iter().map(|(n, _)| (*n).to_owned()).collect();
    // What a person writes, not what a command prints: unknown fields are mistakes there, and
    // `map` tries it.
    listed.insert("hops".to_owned());
    assert_eq!(listed, names());
}

#[test]
fn every_schema_is_sound_and_says_what_it_is() {
    for name in names() {
        let schema = schema::load(&name);
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        for key in ["$id", "title", "description"] {
            assert!(schema[key].as_str().is_some_and(|text| !text.is_empty()), "{name}: {key}");
        }
    }
}

#[test]
fn the_contracts_examples_are_accepted() {
    for (name, document) in contract() {
        schema::validate(name, &document);
    }
}

#[test]
fn a_field_nobody_knows_yet_is_accepted_everywhere() {
    for (name, mut document) in contract() {
        visit(&mut document, &mut |object| {
            // Maps from a number to a count, and of settings by their dotted names, hold nothing
            // but those.
            let of_a_map = |k: &String| k.contains('.') || k.bytes().all(|b| b.is_ascii_digit());
            if !object.keys().all(of_a_map) {
                object.insert("added_later".to_owned(), json!({"by": ["somebody"]}));
            }
        });
        schema::validate(name, &document);
    }
}

/// Whether a document may do without what stands there: a field the contract's example has and
/// does not ask for, an element of a list, or an entry of a map.
fn may_be_left_out(place: &str) -> bool {
    const FIELDS: [&str; 10] = [
        "/file/0/host",
        "/file/0/role",
        "/file/0/taken_at",
        "/file/0/command",
        "/evidence/0/cites/0/lines",
        "/evidence/0/cites/1/packets",
        "/evidence/0/synthetic",
        "/tolerance_s",
        "/signed_by",
        "/detected_by",
    ];
    // Which numbers a finding of lint has is its rule's matter.
    let number = place.contains("/numbers/");
    let of_a_map = |field: &str| field.parse::<u64>().is_ok() || field.starts_with("net.");
    number || FIELDS.contains(&place) || place.rsplit('/').next().is_some_and(of_a_map)
}

#[test]
fn a_document_that_leaves_out_a_promised_field_is_refused() {
    let mut tried = 0;
    for (name, document) in contract() {
        for place in places(&document).iter().filter(|place| !may_be_left_out(place)) {
            let (parent, field) = place.rsplit_once('/').unwrap();
            let mut cut = document.clone();
            cut.pointer_mut(parent).unwrap().as_object_mut().unwrap().shift_remove(field);
            assert!(!schema::complaints(name, &cut).is_empty(), "{name}: without {place}");
            tried += 1;
        }
    }
    assert!(tried > 150, "{tried} fields");
}

#[test]
fn a_word_nobody_promised_is_refused() {
    let mut tried = 0;
    for (name, document) in contract() {
        for place in places(&document) {
            if !is_word_of_the_contract(&document, &place) {
                continue;
            }
            let mut wrong = document.clone();
            *wrong.pointer_mut(&place).unwrap() = json!("no such word");
            assert!(!schema::complaints(name, &wrong).is_empty(), "{name}: {place}");
            tried += 1;
        }
    }
    assert!(tried > 45, "{tried} words");
}

/// Whether the string there is one of the contract's closed lists: its field is named so.
fn is_word_of_the_contract(document: &Value, place: &str) -> bool {
    const FIELDS: [&str; 27] = [
        "schema",
        "cause",
        "family",
        "anchor",
        "outcome",
        "ended_by",
        "signed_by",
        "detected_by",
        "effect",
        "role",
        "how",
        "by",
        "client_known_by",
        "origin",
        "consistent",
        "verdict",
        "ctstate",
        "direction",
        "tcp_state",
        "event",
        "confidence",
        "synthetic",
        "on",
        "client",
        "server",
        "accept",
        "separates",
    ];
    let is_string = document.pointer(place).is_some_and(Value::is_string);
    // An element of a list goes by the list's name.
    let field = place.rsplit('/').find(|part| part.parse::<usize>().is_err()).unwrap_or("");
    // `kind` is a closed word of a change and of a reset, and an open one of an input.
    let is_kind = field == "kind" && (place.contains("change") || place.contains("reset"));
    is_string && (FIELDS.contains(&field) || is_kind)
}

#[test]
fn a_number_of_the_wrong_kind_is_refused() {
    for (name, place, wrong) in [
        ("report", "/findings/0/hypotheses/0/probability", json!(1.5)),
        ("report", "/findings/0/verdict", Value::Null),
        ("report", "/findings/0/endings/0/packets/0", json!([811])),
        ("report", "/findings/0/verdict/clock/seconds", json!("43200")),
        ("report", "/findings/0/contradictions/0/between/0", json!("the log")),
        ("flow", "/first_packet", json!(0)),
        ("flow", "/first_ns", json!(1715310862.5)),
        ("flow", "/client", json!("10.0.0.12")),
        ("flow", "/ttl/client", json!({"sixty-four": 1})),
        ("evidence", "/file/0/taken_at", json!("yesterday")),
        ("truth", "/interval_s", json!("12 h")),
    ] {
        let (_, mut document) = contract().into_iter().find(|(n, _)| *n == name).unwrap();
        *document.pointer_mut(place).unwrap() = wrong;
        assert!(!schema::complaints(name, &document).is_empty(), "{name}: {place}");
    }
}

#[test]
fn cannot_say_has_no_verdict() {
    let (_, mut report) = contract().into_iter().find(|(n, _)| *n == "report").unwrap();
    report["findings"][0]["outcome"] = json!("cannot-say");
    assert!(!schema::complaints("report", &report).is_empty());
    report["findings"][0]["verdict"] = Value::Null;
    schema::validate("report", &report);
}

#[test]
fn a_definition_that_stands_in_two_schemas_is_the_same_in_both() {
    let mut seen: BTreeMap<String, (String, Value)> = BTreeMap::new();
    for name in names() {
        let schema = schema::load(&name);
        for (definition, value) in schema["$defs"].as_object().into_iter().flatten() {
            let first = seen.entry(definition.clone()).or_insert((name.clone(), value.clone()));
            assert_eq!(first.1, *value, "{definition}: {} and {name}", first.0);
        }
    }
}

/// The words of an enum of the core, which serde lists when it is given another.
fn words_of<T: DeserializeOwned>() -> BTreeSet<String> {
    let Err(refused) = serde_json::from_value::<T>(json!("no such word")) else {
        return BTreeSet::new();
    };
    let told = refused.to_string();
    told.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

fn words_in(name: &str, definition: &str) -> BTreeSet<String> {
    let schema = schema::load(name);
    let listed = schema["$defs"][definition]["enum"].as_array();
    let words = listed.into_iter().flatten().filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}

#[test]
fn the_schemas_list_exactly_the_words_the_core_uses() {
    for (name, definition, words) in [
        ("report", "anchor", words_of::<terms::Anchor>()),
        ("report", "ended_by", words_of::<terms::EndedBy>()),
        ("report", "detected_by", words_of::<terms::DetectedBy>()),
        ("report", "outcome", words_of::<terms::Outcome>()),
        ("report", "role", words_of::<terms::Role>()),
        ("flow", "side", words_of::<terms::Side>()),
        ("flow", "reset_kind", words_of::<terms::ResetKind>()),
        ("flow", "reset_origin", words_of::<terms::Origin>()),
        ("flow", "reset_consistent", words_of::<terms::Consistency>()),
    ] {
        assert!(words.len() > 1, "{definition}: serde lists the words");
        assert_eq!(words_in(name, definition), words, "{definition}");
    }
}

#[test]
fn the_schemas_list_exactly_the_causes_there_are() {
    let causes = Causes::builtin().unwrap();
    let ids: BTreeSet<String> = causes.all().iter().map(|c| c.id.clone()).collect();
    let families = causes.all().iter().map(|c| c.family.word().to_owned()).collect();
    assert_eq!(words_in("report", "cause"), ids);
    assert_eq!(words_in("report", "family"), families);
}

#[test]
fn the_list_of_causes_is_the_one_cases_are_told_in() {
    let Some(folder) = material("the_list_of_causes_is_the_one_cases_are_told_in") else { return };
    let text = fs::read_to_string(folder.join("causes.json")).unwrap();
    let told: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(words_in("truth", "cause"), told.keys().cloned().collect());
    let families = told.values().filter_map(|cause| cause["family"].as_str());
    assert_eq!(words_in("truth", "family"), families.map(str::to_owned).collect());
}

#[test]
fn the_truth_of_every_case_keeps_to_its_schema() {
    let Some(folder) = material("the_truth_of_every_case_keeps_to_its_schema") else { return };
    let mut read = 0;
    for case in fs::read_dir(folder.join("cases")).unwrap().map(Result::unwrap) {
        let path = case.path().join("truth.json");
        let text = fs::read_to_string(&path).unwrap();
        let wrong = schema::complaints("truth", &serde_json::from_str(&text).unwrap());
        assert!(wrong.is_empty(), "{}:\n{}", path.display(), wrong.join("\n"));
        read += 1;
    }
    assert!(read > 0, "{}: no case", folder.display());
}

#[test]
fn every_evidence_toml_of_the_examples_keeps_to_its_schema() {
    let mut read = 0;
    for example in fs::read_dir(repo().join("examples")).unwrap().map(Result::unwrap) {
        let Ok(text) = fs::read_to_string(example.path().join("evidence.toml")) else { continue };
        let toml: toml::Value = toml::from_str(&text).unwrap();
        schema::validate("evidence", &serde_json::to_value(toml).unwrap());
        read += 1;
    }
    assert!(read > 0, "no example has an evidence.toml");
}

fn visit(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(|inner| visit(inner, change));
            change(object);
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| visit(inner, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// JSON pointers to everything in the document but itself.
fn places(document: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match document {
        Value::Object(object) => object.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let mut found = Vec::new();
    for (step, value) in inner {
        found.push(format!("/{step}"));
        found.extend(places(value).into_iter().map(|below| format!("/{step}{below}")));
    }
    found
}
