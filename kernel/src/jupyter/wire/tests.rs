#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn frames(parts: &[&[u8]]) -> ZmqMessage {
    ZmqMessage::try_from(parts.iter().map(|p| Bytes::copy_from_slice(p)).collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_message_signed_by_jupyter_client_is_read() {
    // Signature by Python: hmac.new(b"a-key", b'{"msg_type":"kernel_info_request"}{}{}{}', "sha256").hexdigest()
    let signature = b"be05fac718ff1f9cf7d488f46421ba1029223c144cf727d4cc13a6a78a1f4039";
    let parts: Vec<&[u8]> =
        vec![b"peer", DELIMITER, signature, br#"{"msg_type":"kernel_info_request"}"#, b"{}", b"{}", b"{}", b"buffer"];
    let wire = Wire::new("a-key", "s");
    let request = wire.read(frames(&parts)).unwrap();
    assert_eq!(request.kind(), "kernel_info_request");
    assert_eq!(request.identities, [Bytes::from_static(b"peer")]);
    assert_eq!(wire.read(frames(&parts)).unwrap_err(), Dropped::Replay);
    assert_eq!(Wire::new("another", "s").read(frames(&parts)).unwrap_err(), Dropped::Signature);
    let mut forged = parts.clone();
    forged[6] = br#"{"code":"1"}"#;
    assert_eq!(Wire::new("a-key", "s").read(frames(&forged)).unwrap_err(), Dropped::Signature);
}

#[test]
fn malformed_messages_are_told_apart() {
    let wire = Wire::new("", "s");
    let read = |parts: &[&[u8]]| wire.read(frames(parts)).unwrap_err();
    assert!(matches!(read(&[b"x"]), Dropped::Malformed(_)));
    assert!(matches!(read(&[b"x", DELIMITER, b"", b"{}", b"{}"]), Dropped::Malformed(_)));
    assert_eq!(read(&[DELIMITER, b"", b"[]", b"{}", b"{}", b"{}"]), Dropped::Json("header"));
    assert_eq!(read(&[DELIMITER, b"", b"{}", b"{}", b"{}", b"\xff"]), Dropped::Json("content"));
}

#[test]
fn what_is_written_is_read_back() {
    let wire = Wire::new("k", "kernel");
    let parent = Object::from_iter([("msg_id".to_owned(), json!("p")), ("subshell_id".to_owned(), json!(null))]);
    let message = wire.write(&[Bytes::from_static(b"id")], "status", &parent, &Object::new(), &json!({"a": "é"}));
    let request = Wire::new("k", "other").read(message.clone()).unwrap();
    assert_eq!(request.text("a"), "é");
    assert_eq!(request.header["session"], "kernel");
    let sent: Object = serde_json::from_slice(message.get(4).unwrap()).unwrap();
    assert_eq!(sent, parent);
}
