//! Tests of [`super`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::fs;

fn put(jupyter: &Path, name: &str, text: &str) -> PathBuf {
    let folder = jupyter.join("kernels").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("kernel.json"), text).unwrap();
    folder
}

fn connection() -> KernelConnection {
    KernelConnection::new(Path::new("/run/jupyter"), "abc", "x")
}

#[test]
fn the_first_folder_wins_names_are_lowered_and_broken_ones_are_passed_over() {
    let (user, system) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(user.path(), "Octave", r#"{"argv": ["octave"], "display_name": "mine"}"#);
    put(user.path(), "broken", "garbage");
    put(user.path(), "mode", r#"{"argv": ["x"], "interrupt_mode": "telepathy"}"#);
    put(system.path(), "octave", r#"{"argv": ["octave"], "display_name": "theirs"}"#);
    put(system.path(), "broken", r#"{"argv": ["whole"]}"#);
    put(system.path(), "minerva", r#"{"argv": ["elsewhere"]}"#);
    put(system.path(), "a b", r#"{"argv": ["x"]}"#);
    let specs = Specs::new(&[user.path().to_owned(), system.path().to_owned()]);
    let all = specs.all();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["broken", "minerva", "octave"]);
    assert_eq!(specs.get("OCTAVE").unwrap().display_name(), "mine");
    assert!(specs.get("minerva").unwrap().is_built_in());
    assert!(specs.get("mode").is_none());
    put(system.path(), "python3", r#"{"argv": ["python"]}"#);
    assert_eq!(specs.get("python").unwrap().name, "python3");
}

#[test]
fn a_model_has_all_fields_and_the_addresses_of_logos() {
    let jupyter = tempfile::tempdir().unwrap();
    let folder = put(jupyter.path(), "r", r#"{"argv": ["R", "{connection_file}"], "language": "R", "unknown": 1}"#);
    fs::write(folder.join("logo-svg.svg"), "<svg/>").unwrap();
    fs::write(folder.join("kernel.js"), "").unwrap();
    let model = Specs::new(&[jupyter.path().to_owned()]).get("r").unwrap().model();
    let resources = json!({ "kernel.js": "/kernelspecs/r/kernel.js", "logo-svg": "/kernelspecs/r/logo-svg.svg" });
    assert_eq!(model["resources"], resources);
    let spec = json!({
        "argv": ["R", "{connection_file}"], "env": {}, "display_name": "", "language": "R",
        "interrupt_mode": "signal", "metadata": {}, "kernel_protocol_version": "",
    });
    assert_eq!(model["spec"], spec);
}

#[test]
fn the_built_in_kernel_has_its_logos_and_is_interrupted_by_message() {
    let spec = Specs::new(&[]).get("Minerva").unwrap();
    assert_eq!(spec.interrupt_mode, InterruptMode::Message);
    let model = spec.model();
    assert_eq!(model["spec"]["language"], "rhai");
    assert_eq!(model["resources"]["logo-64x64"], "/kernelspecs/minerva/logo-64x64.png");
    assert!(spec.resource("logo-64x64.png").unwrap().starts_with(b"\x89PNG"));
    assert!(spec.resource("../Cargo.toml").is_none());
    let command = spec.command(&connection()).unwrap();
    assert_eq!(command[0], std::env::current_exe().unwrap());
    assert_eq!(command[1], "kernel");
    assert_eq!(command[2], connection().file);
}

#[test]
fn resources_come_from_the_folder_and_no_other_place() {
    let jupyter = tempfile::tempdir().unwrap();
    let folder = put(jupyter.path(), "r", r#"{"argv": ["R"]}"#);
    fs::write(jupyter.path().join("secret"), "x").unwrap();
    fs::write(folder.join("resource.txt"), "text").unwrap();
    fs::write(folder.join(".hidden"), "x").unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    let spec = Specs::new(&[jupyter.path().to_owned()]).get("r").unwrap();
    assert_eq!(spec.resource("resource.txt").unwrap(), b"text");
    #[cfg(unix)]
    std::os::unix::fs::symlink(jupyter.path().join("secret"), folder.join("logo-32x32.png")).unwrap();
    for name in
        ["", "..", "../../secret", "folder/../../../secret", "/etc/passwd", ".hidden", "folder", "logo-32x32.png"]
    {
        assert!(spec.resource(name).is_none(), "{name:?}");
    }
}

#[test]
fn arguments_are_filled_in_once() {
    let value = |name: &str| (name == "connection_file").then(|| "/run/{prefix}.json".to_owned());
    assert_eq!(fill("-f={connection_file}!", &value), "-f=/run/{prefix}.json!");
    assert_eq!(fill("{{connection_file}}", &value), "{/run/{prefix}.json}");
    assert_eq!(fill("{unknown} {", &value), "{unknown} {");
}

#[test]
fn variables_are_replaced_where_they_are_known() {
    let known = |name: &str| (name == "HOME_1").then(|| "/h".to_owned());
    assert_eq!(expand("$HOME_1/a:${HOME_1}b", &known), "/h/a:/hb");
    assert_eq!(expand("$$5 $NONE ${NONE} ${ $", &known), "$5 $NONE ${NONE} ${ $");
}

#[cfg(unix)]
#[test]
fn python_is_that_of_the_environment_of_the_kernelspec() {
    let prefix = tempfile::tempdir().unwrap();
    let jupyter = prefix.path().join("share").join("jupyter");
    put(&jupyter, "python3", r#"{"argv": ["python", "-m", "ipykernel", "{prefix}"]}"#);
    put(&jupyter, "none", r#"{"argv": []}"#);
    let specs = Specs::new(&[jupyter]);
    assert_eq!(specs.get("python3").unwrap().command(&connection()).unwrap()[0], "python");
    fs::create_dir(prefix.path().join("bin")).unwrap();
    fs::write(prefix.path().join("bin").join("python"), "").unwrap();
    let command = specs.get("python3").unwrap().command(&connection()).unwrap();
    assert_eq!(command[0], prefix.path().join("bin").join("python"));
    assert_eq!(command[3], prefix.path());
    assert!(specs.get("none").unwrap().command(&connection()).unwrap_err().contains("no program"));
}
