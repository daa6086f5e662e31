#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::connection::Ports;
use super::super::framing::Head;
use super::super::mailbox::Taken;
use super::*;
use futures_util::FutureExt;
use serde_json::json;
use std::net::Ipv4Addr;
use tokio::task::unconstrained;
use zeromq::{Endpoint, PubSocket, RouterSocket};

const KEY: &str = "secret";
const PATIENCE: Duration = Duration::from_secs(60);

fn inbox(mailboxes: &Arc<Mailboxes>, activity: &Arc<Activity>) -> Inbox {
    let wire = Wire::new(KEY, "server");
    Inbox::new(wire, "server".to_owned(), mailboxes.clone(), activity.clone(), watch::channel(false).0)
}

fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!() };
    object
}

fn said(key: &str, kind: &str, parent: &Value, content: &Value) -> Vec<Bytes> {
    let topic = Bytes::from_static(b"kernel.topic");
    Wire::new(key, "kernel").write(&[topic], kind, &object(parent.clone()), &Object::new(), content).into_vec()
}

#[tokio::test]
async fn what_is_not_signed_with_the_key_is_dropped() {
    let (mailboxes, activity) = (Arc::new(Mailboxes::new()), Arc::new(Activity::new()));
    let inbox = inbox(&mailboxes, &activity);
    let tab = mailboxes.attach("tab");
    let parent = json!({ "msg_id": "1", "session": "tab", "msg_type": "execute_request" });
    let busy = json!({ "execution_state": "busy" });
    inbox.output(said("other", "status", &parent, &busy));
    inbox.output(said("", "status", &parent, &busy));
    inbox.reply(Channel::Shell, said("other", "execute_reply", &parent, &json!({})));
    for end in 0..6 {
        inbox.output(said(KEY, "status", &parent, &busy).split_off(end).into_iter().take(5).collect());
    }
    assert_eq!(activity.state(), "starting");
    inbox.output(said(KEY, "iopub_welcome", &json!({}), &json!({ "subscription": "" })));
    inbox.reply(Channel::Shell, said(KEY, "execute_reply", &json!({ "session": "nobody" }), &json!({})));
    inbox.output(said(KEY, "status", &parent, &busy));
    inbox.reply(Channel::Stdin, said(KEY, "input_request", &parent, &json!({})));
    assert_eq!(activity.state(), "busy");
    let Taken::Messages { messages, .. } = tab.take().await else { panic!() };
    let kinds: Vec<(Channel, String)> =
        messages.iter().map(|m| (m.channel, Head::read(&m.header).unwrap().msg_type)).collect();
    assert_eq!(kinds, [(Channel::Iopub, "status".to_owned()), (Channel::Stdin, "input_request".to_owned())]);
}

/// A kernel that answers everything on shell, and says so on iopub.
async fn answer_all(mut shell: RouterSocket, mut iopub: PubSocket, _silent: [RouterSocket; 2]) {
    let wire = Wire::new(KEY, "kernel");
    while let Ok(message) = shell.recv().await {
        let request = wire.read(message).unwrap();
        let kind = request.kind().replace("_request", "_reply");
        let (nothing, status) = (Object::new(), json!({ "execution_state": "busy" }));
        let topic = Bytes::from_static(b"status");
        iopub.send(wire.write(&[topic], "status", &request.header, &nothing, &status)).await.unwrap();
        let reply =
            wire.write(&request.identities, &kind, &request.header, &nothing, &json!({ "code": request.text("code") }));
        shell.send(reply).await.unwrap();
    }
}

async fn bound<S: Socket>() -> (S, u16) {
    let mut socket = S::new();
    let Endpoint::Tcp(_, port) = socket.bind("tcp://127.0.0.1:0").await.unwrap() else { panic!() };
    (socket, port)
}

#[tokio::test]
async fn requests_are_answered_and_replies_reach_who_asked() {
    let (shell, shell_at) = bound::<RouterSocket>().await;
    let (control, control_at) = bound::<RouterSocket>().await;
    let (stdin, stdin_at) = bound::<RouterSocket>().await;
    let (iopub, iopub_at) = bound::<PubSocket>().await;
    let kernel = tokio::spawn(answer_all(shell, iopub, [control, stdin]));
    let connection = KernelConnection {
        ip: Ipv4Addr::LOCALHOST,
        ports: Ports { shell: shell_at, iopub: iopub_at, stdin: stdin_at, control: control_at, heartbeat: 0 },
        key: KEY.to_owned(),
        file: "kernel.json".into(),
        kernel_name: "fake".to_owned(),
    };
    let (mailboxes, activity) = (Arc::new(Mailboxes::new()), Arc::new(Activity::new()));
    let link = Link::connect(&connection, mailboxes.clone(), activity.clone()).await.unwrap();
    let reply = link.request(Channel::Shell, "kernel_info_request", json!({ "code": "ours" }), PATIENCE).await.unwrap();
    assert_eq!(reply, json!({ "code": "ours" }));

    let tab = mailboxes.attach("tab");
    let other = mailboxes.attach("other");
    let header = json!({ "msg_id": "1", "session": "tab", "msg_type": "execute_request" });
    let message = Message {
        channel: Channel::Shell,
        header: Bytes::from(header.to_string()),
        parent: Bytes::from_static(b"{}"),
        metadata: Bytes::from_static(b"{}"),
        content: Bytes::from_static(br#"{"code":"theirs"}"#),
        buffers: Vec::new(),
    };
    link.send(message.clone()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let Taken::Messages { messages, .. } = tab.take().await else { panic!() };
        seen.extend(messages.into_iter().filter(|m| Head::read(&m.parent).unwrap().msg_id == "1"));
    }
    seen.sort_by_key(|m| m.channel.name());
    assert_eq!(seen.iter().map(|m| m.channel).collect::<Vec<_>>(), [Channel::Iopub, Channel::Shell]);
    assert_eq!(&seen[1].content[..], br#"{"code":"theirs"}"#);
    let Taken::Messages { messages, .. } = other.take().await else { panic!() };
    assert!(messages.iter().all(|m| m.channel == Channel::Iopub));
    assert_eq!(activity.state(), "busy");
    assert!(link.send(Message { channel: Channel::Iopub, ..message.clone() }).await.is_err());

    // Nothing leaves while this task does not wait: as with a kernel that does not read.
    let put = || unconstrained(link.send(message.clone())).now_or_never();
    let taken = (0..=OUTBOX).take_while(|_| put().is_some()).count();
    assert_eq!(taken, OUTBOX);
    // One that waits goes on when the kernel reads on, and when it is gone.
    link.send(message.clone()).await.unwrap();
    link.close();
    let waiting = async { while link.send(message.clone()).await.is_ok() {} };
    timeout(PATIENCE, waiting).await.unwrap();
    kernel.abort();
}
