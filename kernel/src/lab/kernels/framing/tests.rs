#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn message(channel: Channel, buffers: &[&'static [u8]]) -> Message {
    Message {
        channel,
        header: Bytes::from_static(br#"{"msg_id":"1","msg_type":"execute_request","session":"s", "x":1.50}"#),
        parent: Bytes::from_static(b"{}"),
        metadata: Bytes::from_static(br#"{"a":[]}"#),
        content: Bytes::from_static("{\"code\":\"é\\n\"}".as_bytes()),
        buffers: buffers.iter().map(|b| Bytes::from_static(b)).collect(),
    }
}

const BUFFERS: [&[&[u8]]; 3] = [&[], &[b"abc"], &[b"", b"\x00\xff", b""]];

#[test]
fn frames_as_they_are_come_back_byte_for_byte() {
    for channel in [Channel::Shell, Channel::Control, Channel::Stdin, Channel::Iopub] {
        for buffers in BUFFERS {
            let message = message(channel, buffers);
            let frame = Framing::V1.write(&message).unwrap();
            assert_eq!(Framing::V1.read(&frame), Ok(message));
        }
    }
}

#[test]
fn the_table_of_offsets_is_jupyters() {
    let ws::Message::Binary(data) = Framing::V1.write(&message(Channel::Shell, &[b"abc"])).unwrap() else { panic!() };
    let numbers: Vec<u64> = data.chunks(8).take(8).map(|n| u64::from_le_bytes(n.try_into().unwrap())).collect();
    assert_eq!(numbers[..3], [7, 64, 69]);
    assert_eq!(numbers[7], data.len() as u64);
    assert_eq!(&data[64..69], b"shell");
    assert!(data.ends_with(b"abc"));
}

#[test]
fn json_carries_the_same_message() {
    for buffers in BUFFERS {
        let message = message(Channel::Shell, buffers);
        let frame = Framing::Json.write(&message).unwrap();
        assert_eq!(matches!(frame, ws::Message::Text(_)), buffers.is_empty());
        let read = Framing::Json.read(&frame).unwrap();
        let values = |m: &Message| {
            [&m.header, &m.parent, &m.metadata, &m.content].map(|f| serde_json::from_slice::<Value>(f).unwrap())
        };
        assert_eq!((values(&read), read.channel), (values(&message), message.channel));
        assert_eq!(read.buffers, message.buffers);
    }
}

#[test]
fn json_for_old_clients_has_the_fields_of_jupyter_server() {
    let frame = Framing::Json.write(&message(Channel::Iopub, &[])).unwrap();
    let value: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
    assert_eq!(
        (&value["channel"], &value["msg_type"], &value["msg_id"]),
        (&json!("iopub"), &json!("execute_request"), &json!("1"))
    );
    assert_eq!((&value["buffers"], &value["content"]["code"]), (&json!([]), &json!("é\n")));
}

#[test]
fn what_is_missing_in_json_is_empty_and_the_channel_is_shell() {
    let read = Framing::Json.read(&ws::Message::text(r#"{"header":{"msg_type":"x"}}"#)).unwrap();
    assert_eq!((read.channel, &read.parent[..], &read.content[..]), (Channel::Shell, &b"{}"[..], &b"{}"[..]));
}

#[test]
fn another_protocol_is_told_from_a_broken_message() {
    assert_eq!(Framing::V1.read(&ws::Message::text("{}")), Err(Broken::Foreign));
    for text in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"header":1}"#,
        r#"{"header":{},"channel":"other"}"#,
        r#"{"header":{},"content":[]}"#,
        "{\"header\":",
    ] {
        assert_eq!(Framing::Json.read(&ws::Message::text(text)), Err(Broken::Malformed), "{text}");
    }
    assert_eq!(Framing::Json.read(&ws::Message::Ping(Bytes::new())), Err(Broken::Malformed));
}

/// Every end, and every byte replaced by what tends to hurt: an error or a message, never a panic.
#[test]
fn broken_frames_never_panic() {
    for framing in [Framing::V1, Framing::Json] {
        let ws::Message::Binary(whole) = framing.write(&message(Channel::Shell, &[b"abc", b"d"])).unwrap() else {
            panic!()
        };
        for end in 0..whole.len() {
            let _ = framing.read(&ws::Message::Binary(whole.slice(..end)));
        }
        for at in 0..whole.len() {
            for byte in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut bad = whole.to_vec();
                bad[at] = byte;
                let _ = framing.read(&ws::Message::binary(bad));
            }
        }
        let filled = |byte: u8, length: usize| ws::Message::binary(vec![byte; length]);
        for length in [0, 1, 3, 4, 7, 8, 15, 16, 48, 56, 1000] {
            for byte in [0x00, 0x01, 0x06, 0xff] {
                assert!(framing.read(&filled(byte, length)).is_err());
            }
        }
    }
}

#[test]
fn offsets_that_run_backwards_are_refused() {
    let ws::Message::Binary(whole) = Framing::V1.write(&message(Channel::Shell, &[b"abc", b"d"])).unwrap() else {
        panic!()
    };
    let mut bad = whole.to_vec();
    bad[8 * 7..8 * 8].copy_from_slice(&8u64.to_le_bytes());
    assert_eq!(Framing::V1.read(&ws::Message::binary(bad)), Err(Broken::Malformed));
}

#[test]
fn a_header_is_an_object_and_its_fields_are_texts_or_nothing() {
    let head = Head::read(br#" {"msg_id":1,"session":null,"msg_type":"status","date":"x"}"#).unwrap();
    assert_eq!(head, Head { msg_type: "status".into(), ..Head::default() });
    assert_eq!(Head::read(b"{}"), Some(Head::default()));
    for bad in [&b"[]"[..], b"[\"a\",\"b\",\"c\"]", b"null", b"", b"{", b"\xff"] {
        assert_eq!(Head::read(bad), None);
    }
}
