//! What happens on the server, told to whoever listens, as Jupyter Server tells it. JupyterLab keeps a connection open and
//! uses none of these events itself: it looks again at a folder every few seconds. They are there for its extensions and
//! for other clients.

use super::error::{ApiError, ApiResult};
use super::state::App;
use crate::jupyter::wire::date;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{MissedTickBehavior, interval};

const PREFIX: &str = "https://events.jupyter.org/jupyter_server/";
/// The version of all schemas that there are.
const VERSION: &str = "1";
/// How many events wait for a slow listener. Older ones are dropped: they are hints.
const QUEUE: usize = 256;
const PING: Duration = Duration::from_secs(30);

/// An event that is known: what must be in it, as text, and what one of the texts may be.
struct Schema {
    name: &'static str,
    required: [&'static str; 2],
    choice: &'static [&'static str],
}

/// The first required field is the one with a choice.
static SCHEMAS: [Schema; 3] = [
    Schema {
        name: "contents_service/v1",
        required: ["action", "path"],
        choice: &["get", "create", "save", "upload", "rename", "copy", "delete"],
    },
    Schema {
        name: "kernel_actions/v1",
        required: ["action", "msg"],
        choice: &["start", "interrupt", "shutdown", "restart"],
    },
    Schema { name: "gateway_client/v1", required: ["status", "msg"], choice: &["error", "success"] },
];

/// Where events are told. Clones tell the same listeners.
#[derive(Debug, Clone)]
pub struct Events {
    listeners: broadcast::Sender<Utf8Bytes>,
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Events {
    /// Nobody listens yet.
    pub fn new() -> Self {
        Self { listeners: broadcast::channel(QUEUE).0 }
    }

    /// Tells that something happened. `schema` is short: `contents_service/v1`.
    pub fn emit(&self, schema: &str, data: Value) {
        if self.listeners.receiver_count() > 0 {
            self.tell(schema, data, Timestamp::now());
        }
    }

    fn tell(&self, schema: &str, data: Value, at: Timestamp) {
        // It fails where nobody listens any more.
        let _ = self.listeners.send(Utf8Bytes::from(capsule(schema, data, at).to_string()));
    }
}

/// An event as JupyterLab reads it: the schema first, then what happened, then what all events have.
fn capsule(schema: &str, data: Value, at: Timestamp) -> Value {
    let mut capsule = Map::new();
    capsule.insert("schema_id".to_owned(), format!("{PREFIX}{schema}").into());
    if let Value::Object(data) = data {
        capsule.extend(data.into_iter().filter(|(key, _)| key != "schema_id"));
    }
    capsule.insert("__timestamp__".to_owned(), date(at).into());
    capsule.insert("__schema_version__".to_owned(), VERSION.into());
    capsule.insert("__metadata_version__".to_owned(), json!(1));
    Value::Object(capsule)
}

/// The addresses of this part.
pub fn routes() -> Router<App> {
    Router::new().route("/api/events", post(tell)).route("/api/events/subscribe", get(subscribe))
}

async fn subscribe(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    // From now on: what happens before the connection stands is not missed.
    let news = app.events.listeners.subscribe();
    upgrade.on_upgrade(move |socket| listen(socket, news))
}

async fn listen(mut socket: WebSocket, mut news: broadcast::Receiver<Utf8Bytes>) {
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            event = news.recv() => match event {
                Ok(event) => Message::Text(event),
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            },
            // Nothing is expected of a listener but the end.
            frame = socket.recv() => match frame {
                Some(Ok(_)) => continue,
                _ => return,
            },
            _ = pings.tick() => Message::Ping(Bytes::new()),
        };
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn tell(State(app): State<App>, body: Bytes) -> ApiResult {
    let event = Posted::read(&body).map_err(ApiError::bad_request)?;
    app.events.tell(event.schema, Value::Object(event.data), event.at);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An event that a client tells.
#[derive(Debug)]
struct Posted {
    schema: &'static str,
    data: Map<String, Value>,
    at: Timestamp,
}

impl Posted {
    fn read(body: &[u8]) -> Result<Self, String> {
        let mut fields: Map<String, Value> =
            serde_json::from_slice(body).map_err(|e| format!("a JSON object was expected: {e}"))?;
        for key in ["schema_id", "version", "data"] {
            if !fields.contains_key(key) {
                return Err(format!("Missing `{key}` in the JSON request body."));
            }
        }
        let id = fields.get("schema_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(schema) = SCHEMAS.iter().find(|schema| id.strip_prefix(PREFIX) == Some(schema.name)) else {
            let known: Vec<String> = SCHEMAS.iter().map(|schema| format!("{PREFIX}{}", schema.name)).collect();
            return Err(format!("The schema `{id}` is not known. Known are: {}", known.join(", ")));
        };
        if !matches!(fields.get("version"), Some(Value::String(version)) if version == VERSION)
            && fields.get("version").and_then(Value::as_u64) != Some(1)
        {
            return Err(format!("Unregistered version of `{id}`: version {VERSION:?} is known."));
        }
        let at = match fields.get("timestamp") {
            None => Timestamp::now(),
            Some(at) => timestamp(at.as_str().unwrap_or_default()).ok_or(
                "Failed to parse the timestamp: an ISO date with an offset and a Z is expected, for example \
                2022-05-26T13:50:00+05:00Z",
            )?,
        };
        let Some(Value::Object(data)) = fields.remove("data") else {
            return Err(format!("The data of `{id}` is no JSON object."));
        };
        schema.check(&data)?;
        Ok(Self { schema: schema.name, data, at })
    }
}

impl Schema {
    fn check(&self, data: &Map<String, Value>) -> Result<(), String> {
        for key in self.required {
            if !data.get(key).is_some_and(Value::is_string) {
                return Err(format!("{}: a text `{key}` is expected.", self.name));
            }
        }
        let [choice, _] = self.required;
        let chosen = data.get(choice).and_then(Value::as_str).unwrap_or_default();
        if !self.choice.contains(&chosen) {
            return Err(format!("{}: `{choice}` is {chosen:?}, not one of {:?}.", self.name, self.choice));
        }
        // A kernel that could not be started has no id.
        let failed = data.get("status").is_none_or(|status| status == "error");
        if self.name == "kernel_actions/v1" && !(failed && chosen == "start") && !data.contains_key("kernel_id") {
            return Err(format!("{}: `kernel_id` is expected.", self.name));
        }
        Ok(())
    }
}

/// Jupyter's own form: an offset, and a Z nevertheless.
fn timestamp(text: &str) -> Option<Timestamp> {
    text.strip_suffix('Z')?.parse().ok()
}

#[cfg(test)]
mod tests;
