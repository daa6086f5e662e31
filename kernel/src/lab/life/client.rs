//! Asking a running server of this user something: one request, one answer.

use super::running::Server;
use serde_json::Value;
use std::time::Duration;

/// How long a server has to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The JSON that a server answers; null for an empty answer.
///
/// # Errors
/// When it does not answer, or refuses.
pub fn ask(server: &Server, method: &str, path: &str) -> Result<Value, String> {
    // A proxy of the environment is for other machines.
    let config = ureq::Agent::config_builder().proxy(None).timeout_global(Some(PATIENCE)).http_status_as_error(false);
    let agent: ureq::Agent = config.build().into();
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", server.address()))
        .header("Authorization", format!("token {}", server.token))
        .body(())
        .map_err(|e| e.to_string())?;
    let mut answer = agent.run(request).map_err(|e| format!("does not answer: {e}"))?;
    if !answer.status().is_success() {
        return Err(format!("refuses, with status {}", answer.status().as_u16()));
    }
    let body = answer.body_mut().read_to_string().map_err(|e| format!("does not answer: {e}"))?;
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&body).map_err(|_| "answers as no server of ours does".to_owned())
}
