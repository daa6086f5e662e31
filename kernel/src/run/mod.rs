//! Front ends without a conversation.

pub mod notebook;
pub mod script;
