//! The control socket: answered at once, whatever the session is doing.

use super::info;
use super::iopub::Iopub;
use super::router::{self, Replies};
use super::wire::{Request, Wire};
use minerva_engine::Interrupt;
use serde_json::json;
use zeromq::RouterRecvHalf;

/// Answers control requests until one asks for shutdown, and returns that one: it was answered, and what remains to be
/// said about it on iopub comes after the session's last words.
pub async fn serve(
    mut socket: RouterRecvHalf,
    wire: Wire,
    replies: Replies,
    iopub: Iopub,
    interrupt: Interrupt,
) -> Request {
    loop {
        let request = router::read(&mut socket, &wire, "control").await;
        if request.kind() == "shutdown_request" {
            acknowledge_shutdown(&replies, &iopub, &request);
            return request;
        }
        iopub.status(&request.header, "busy");
        match request.kind() {
            "interrupt_request" => {
                interrupt.raise();
                replies.send(&request, "interrupt_reply", &json!({ "status": "ok" }));
            }
            "kernel_info_request" => replies.send(&request, "kernel_info_reply", &info::reply()),
            // There are no subshells and nothing advertises them; the protocol asks for no reply then.
            "create_subshell_request" | "delete_subshell_request" | "list_subshell_request" => {}
            kind => {
                if let Some(name) = kind.strip_suffix("_request") {
                    let evalue = format!("{kind} is not supported on the control channel");
                    let content =
                        json!({ "status": "error", "ename": "UnknownRequest", "evalue": evalue, "traceback": [] });
                    replies.send(&request, &format!("{name}_reply"), &content);
                }
            }
        }
        iopub.status(&request.header, "idle");
    }
}

/// Says that a shutdown has begun; its end on iopub comes after the session's last words.
pub fn acknowledge_shutdown(replies: &Replies, iopub: &Iopub, request: &Request) {
    iopub.status(&request.header, "busy");
    let restart = request.flag("restart", false);
    replies.send(request, "shutdown_reply", &json!({ "status": "ok", "restart": restart }));
}
