//! The feature table names the test that proves each line; here it is checked that these tests exist.

use std::collections::HashMap;
use std::path::Path;

#[test]
fn every_test_that_the_feature_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("PROTOCOL.md")).unwrap();
    let mut sources: HashMap<String, String> = HashMap::new();
    let mut checked = 0;
    for line in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Feature")) {
        let proof = line.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test in: {line}");
        for name in names {
            let (file, test) = name.split_once("::").unwrap_or_else(|| panic!("{name}: expected FILE::TEST"));
            let source = sources.entry(file.to_owned()).or_insert_with(|| {
                let path =
                    if file.contains('/') { root.join(file) } else { root.join(format!("tests/jupyter/{file}.rs")) };
                std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
            });
            let declared = source.split("#[test]").skip(1).any(|after| {
                let head = after.split('{').next().unwrap_or_default();
                head.contains(&format!("fn {test}("))
            });
            assert!(declared, "there is no test {test} in {file}");
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked} tests in the table");
}
