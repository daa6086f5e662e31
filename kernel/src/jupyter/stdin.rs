//! The stdin socket: a running cell asks the front end that sent it, and waits for the answer.

use super::router;
use super::wire::{Object, Request, Wire};
use crate::session::{Asking, NoAnswer};
use bytes::Bytes;
use minerva_engine::Interrupt;
use serde_json::json;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zeromq::{RouterRecvHalf, RouterSendHalf, ZmqMessage};

/// How often a waiting cell looks at its interrupt.
const POLL: Duration = Duration::from_millis(20);

/// A question on its way to a front end.
struct Sent {
    id: String,
    identities: Vec<Bytes>,
    message: ZmqMessage,
    answer: Sender<Result<String, NoAnswer>>,
}

/// Asks on the stdin socket. Cloning it shares the socket.
#[derive(Clone)]
pub struct Stdin {
    questions: UnboundedSender<Sent>,
    wire: Wire,
}

/// The other end of a [`Stdin`], for [`serve`].
pub struct Questions(UnboundedReceiver<Sent>);

impl Stdin {
    /// Questions signed by `wire`.
    pub fn new(wire: Wire) -> (Self, Questions) {
        let (questions, queue) = unbounded_channel();
        (Self { questions, wire }, Questions(queue))
    }

    /// How the cell of `request` asks: whoever sent it, if it said that it answers.
    pub fn asking(&self, request: &Request) -> Asking {
        if !request.flag("allow_stdin", false) {
            let why = "the front end that sent this cell takes no input (allow_stdin is false)";
            return Arc::new(move |_, _| Err(NoAnswer::Nobody(why.into())));
        }
        let (stdin, identities, parent) = (self.clone(), request.identities.clone(), request.header.clone());
        Arc::new(move |question, interrupt| {
            let content = json!({ "prompt": question.prompt, "password": question.secret });
            let id = Wire::new_id();
            let message = stdin.wire.write_as(&id, &identities, "input_request", &parent, &Object::new(), &content);
            let (answer, answers) = std::sync::mpsc::channel();
            let sent = Sent { id, identities: identities.clone(), message, answer };
            if stdin.questions.send(sent).is_err() {
                return Err(NoAnswer::Nobody("the kernel is shutting down".into()));
            }
            wait(&answers, interrupt)
        })
    }
}

fn wait(answers: &Receiver<Result<String, NoAnswer>>, interrupt: &Interrupt) -> Result<String, NoAnswer> {
    loop {
        match answers.recv_timeout(POLL) {
            Ok(answer) => return answer,
            Err(RecvTimeoutError::Timeout) if interrupt.is_raised() => return Err(NoAnswer::Interrupted),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(NoAnswer::Nobody("the kernel is shutting down".into()));
            }
        }
    }
}

/// Sends questions and hands over their answers. One question is open at a time; an answer to an earlier one, from a
/// prompt that was left open, is dropped.
pub async fn serve(mut sender: RouterSendHalf, mut receiver: RouterRecvHalf, wire: Wire, mut questions: Questions) {
    let mut open: Option<Sent> = None;
    loop {
        tokio::select! {
            reply = router::read(&mut receiver, &wire, "stdin") => {
                if open.as_ref().is_some_and(|sent| answers(&reply, sent))
                    && let Some(sent) = open.take()
                {
                    // The cell may have been interrupted meanwhile.
                    let _ = sent.answer.send(Ok(reply.text("value").to_owned()));
                }
            }
            question = questions.0.recv() => match question {
                Some(mut sent) => {
                    let message = std::mem::replace(&mut sent.message, ZmqMessage::from(Bytes::new()));
                    if router::deliver(&mut sender, message).await {
                        open = Some(sent);
                    } else {
                        let why = "the front end that sent this cell has no stdin channel";
                        let _ = sent.answer.send(Err(NoAnswer::Nobody(why.into())));
                    }
                }
                None => return,
            },
        }
    }
}

/// Whether `reply` comes from whom `sent` asked and is about it. Some clients do not say what they answer.
fn answers(reply: &Request, sent: &Sent) -> bool {
    let about = reply.parent.get("msg_id").and_then(serde_json::Value::as_str).unwrap_or_default();
    reply.kind() == "input_reply" && reply.identities == sent.identities && (about.is_empty() || about == sent.id)
}
