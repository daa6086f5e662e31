//! Kernels and servers that are killed. Who is left is read from `/proc`.

use super::help::{MINERVA, lab, server};
use minerva_tests::lab::{Server, Tab};

/// Sends a signal to a process of this test.
fn signal(pid: u32, number: i32) {
    // SAFETY: the process was started by this test.
    assert_eq!(unsafe { libc::kill(pid as libc::pid_t, number) }, 0);
}

/// Waits until no process is left that this server has started.
#[track_caller]
fn nobody_is_left(server: &Server) {
    server.wait_for("the end of all kernels", || server.children().is_empty().then_some(()));
}

#[test]
fn a_kernel_that_is_killed_in_a_cell_is_reported_and_started_again() {
    let server = server();
    let kernel = server.start_kernel("minerva");
    let mut tab = Tab::open(&server, &kernel, "one");
    tab.begin("loop { }");
    let processes = server.children();
    assert_eq!(processes.len(), 1, "{processes:?}");
    signal(processes[0], libc::SIGKILL);
    tab.wait("the report of the crash", |m| m.says("autorestarting") || m.says("restarting"));
    let ran = tab.run("20 + 3");
    assert_eq!(ran.result(), Some("23"));
    let again = server.children();
    assert!(again.len() == 1 && again != processes, "{again:?} after {processes:?}");
    server.wait_kernel(&kernel, "an idle kernel", |m| m["execution_state"] == "idle");
}

#[test]
fn a_server_that_is_killed_leaves_no_kernel_behind() {
    let start = lab();
    // It looks for no parent, listens to nobody, and would sleep on.
    start.kernelspec("sleeping", "none", &["/bin/sleep", "1000"]);
    let mut server = start.go();
    let kernels = ["minerva", "minerva", "sleeping"].map(|name| server.start_kernel(name));
    let mut tab = Tab::open(&server, &kernels[0], "one");
    tab.begin("loop { }");
    server.wait_for("three processes", || (server.children().len() == 3).then_some(()));
    server.kill();
    nobody_is_left(&server);
}

#[test]
fn a_server_that_is_asked_to_end_ends_its_kernels_and_takes_its_file_away() {
    for number in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let mut server = server();
        let kernel = server.start_kernel("minerva");
        let mut tab = Tab::open(&server, &kernel, "one");
        tab.begin("loop { }");
        let runtime = server.folder().join("runtime");
        assert!(std::fs::read_dir(&runtime).unwrap().count() >= 2, "files of the server and of the kernel");
        signal(server.pid(), number);
        // Ctrl-C may ask first where a person sits at a terminal; here nobody does.
        server.wait();
        nobody_is_left(&server);
        let left: Vec<_> = std::fs::read_dir(&runtime).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, Vec::<std::ffi::OsString>::new(), "after signal {number}");
    }
}

#[test]
fn a_kernel_that_dies_again_and_again_is_given_up() {
    let start = lab();
    // It lives once, long enough to be asked, and never again.
    let script = "[ -e lived ] && exit 1; touch lived; exec \"$0\" kernel \"$1\"";
    start.kernelspec("once", "none", &["/bin/sh", "-c", script, MINERVA, "{connection_file}"]);
    let server = start.go();
    let kernel = server.start_kernel("once");
    let mut tab = Tab::open(&server, &kernel, "one");
    assert_eq!(tab.run("1").result(), Some("1"));
    signal(server.children()[0], libc::SIGKILL);
    tab.wait("the end of trying", |m| m.says("dead"));
    nobody_is_left(&server);
}
