//! Messages that no client should send.

use super::start;
use minerva_tests::client::{cell, signature};
use std::time::Duration;

#[test]
fn messages_that_are_unsigned_malformed_or_replayed_are_dropped() {
    let (_kernel, mut client) = start();
    let (_, genuine) = client.request("execute_request", cell("print(1)"));
    let frames: Vec<Vec<u8>> = genuine.into_vec().iter().map(|f| f.to_vec()).collect();
    let genuine: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let delimiter = b"<IDS|MSG>".as_slice();

    client.send_frames(&[b"garbage"]);
    client.send_frames(&[delimiter]);
    client.send_frames(&[delimiter, b"", genuine[2], b"{}", b"{}", genuine[5]]);
    client.send_frames(&[delimiter, b"not hex", genuine[2], b"{}", b"{}", genuine[5]]);
    let mut forged = genuine.clone();
    forged[5] = br#"{"code":"print(2)"}"#;
    client.send_frames(&forged);
    let not_json: [&[u8]; 4] = [b"{}", b"{}", b"{}", b"\xff"];
    let sign = signature(&not_json);
    client.send_frames(&[delimiter, sign.as_bytes(), b"{}", b"{}", b"{}", b"\xff"]);
    client.expect_silence(Duration::from_millis(200));

    client.send_frames(&genuine);
    client.send_frames(&genuine);
    let states = ["status", "execute_input", "stream", "status"];
    states.iter().for_each(|kind| assert_eq!(client.iopub().kind(), *kind));
    client.shell();
    client.expect_silence(Duration::from_millis(200));
}
