//! The table of attacks names the test that shows what becomes of each; here it is checked that these tests exist, and that
//! no test of an attack is missing from the table.

use std::collections::HashMap;
use std::path::Path;

/// The files whose tests are attacks, all of them.
const ATTACKS: [&str; 5] = ["paths", "cross_site", "tokens", "trust", "requests"];

/// The names of the tests in a source.
fn tests(source: &str) -> Vec<String> {
    let after = source.split("#[test]").skip(1);
    let name = |text: &str| Some(text.split("fn ").nth(1)?.split('(').next()?.to_owned());
    after.filter_map(name).collect()
}

#[test]
fn every_attack_of_the_security_table_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut sources: HashMap<String, Vec<String>> = HashMap::new();
    let mut named = Vec::new();
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Attack"));
    for row in rows {
        let proof = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test in: {row}");
        for name in names {
            let (file, test) = name.split_once("::").unwrap_or_else(|| panic!("{name}: expected FILE::TEST"));
            let there = sources.entry(file.to_owned()).or_insert_with(|| {
                let path = root.join(format!("tests/lab/{file}.rs"));
                tests(&std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
            });
            assert!(there.iter().any(|t| t == test), "there is no test {test} in {file}");
            named.push(name.to_owned());
        }
    }
    for file in ATTACKS {
        let source = std::fs::read_to_string(root.join(format!("tests/lab/{file}.rs"))).unwrap();
        for test in tests(&source) {
            assert!(named.contains(&format!("{file}::{test}")), "{file}::{test} is not in SECURITY.md");
        }
    }
}
