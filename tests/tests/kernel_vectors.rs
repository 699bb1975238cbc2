//! What other kernels answered, recorded by `tests/kernels/record`, holds the model by their rules.

use hopclock_core::conntrack::Kernel;
use hopclock_tests::judge::run::judge_by;
use hopclock_tests::judge::vectors::Vectors;
use hopclock_tests::repo;
use std::path::PathBuf;

/// A file is small enough to keep, in bytes.
const FILE_MAX: usize = 300_000;

fn recorded() -> Vec<(PathBuf, Vec<u8>, Vectors)> {
    let folder = std::fs::read_dir(repo().join("tests/kernels")).unwrap();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "vectors"));
    paths.sort();
    let read = |path: PathBuf| {
        let file = std::fs::read(&path).unwrap();
        let vectors = Vectors::read(&file).unwrap();
        (path, file, vectors)
    };
    paths.into_iter().map(read).collect()
}

fn kernel(text: &str) -> Kernel {
    Kernel::parse(text).unwrap()
}

#[test]
fn every_recorded_kernel_agrees_with_the_model_by_its_rules() {
    let all = recorded();
    for (path, file, vectors) in &all {
        let rules = kernel(&vectors.release).rules();
        let difference = judge_by(&vectors.trace, rules).map(|d| (d.deed, d.what, d.about));
        assert_eq!(difference, None, "{}", path.display());
        assert!(file.len() < FILE_MAX, "{} is {} bytes", path.display(), file.len());
        assert_eq!(vectors.bytes(), *file, "{}: written anew it is the same", path.display());
    }
    let mut branches: Vec<(u16, u16)> =
        all.iter().map(|(_, _, v)| kernel(&v.release)).map(|k| (k.major, k.minor)).collect();
    branches.sort_unstable();
    assert_eq!(branches, [(6, 1), (6, 12)], "of each branch one recording");
}

#[test]
fn the_rules_of_another_kernel_are_caught() {
    for (path, _, vectors) in recorded() {
        let own = kernel(&vectors.release).rules();
        let others = ["5.10", "5.15.20", "6.1.20", "6.1", "6.12", "6.18"];
        let differ = others.iter().filter(|other| kernel(other).rules() != own);
        let missed: Vec<_> =
            differ.filter(|o| judge_by(&vectors.trace, kernel(o).rules()).is_none()).collect();
        assert!(missed.is_empty(), "{}: not told from {missed:?}", path.display());
    }
}

#[test]
fn what_is_no_file_of_vectors_is_refused() {
    let (_, file, vectors) = recorded().remove(0);
    assert!(!vectors.trace.deeds.is_empty());
    assert!(Vectors::read(b"hopclock-vectors/1 6.1").is_err());
    assert!(Vectors::read(b"other 6.1\n").is_err());
    assert!(Vectors::read(&file[..file.len() - 1]).is_err());
}
