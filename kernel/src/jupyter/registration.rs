//! The startup handshake (protocol 5.6): instead of being given ports, the kernel chooses free ones and tells the
//! launcher. No port can be taken by somebody else between the choice and the bind, and no client connects too early.

use super::connection::Connection;
use super::install::runtime_folder;
use super::wire::{Dropped, Wire};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeromq::{DealerSocket, Socket, SocketRecv, SocketSend};

/// A kernel that nobody acknowledges would live for nobody.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a registration file says.
#[derive(Debug, Clone, Deserialize)]
pub struct Registration {
    /// What the launcher calls this kernel.
    pub kernel_id: String,
    /// `"tcp"`.
    #[serde(default = "super::connection::tcp")]
    pub transport: String,
    /// Where the launcher listens.
    pub registration_ip: String,
    /// The port it listens on.
    pub registration_port: u16,
    /// The key of the HMAC, for the handshake and for all that follows.
    #[serde(default)]
    pub key: String,
    /// `"hmac-sha256"`.
    #[serde(default = "super::connection::hmac_sha256")]
    pub signature_scheme: String,
}

impl Registration {
    /// A connection on the launcher's address whose ports are still to be chosen.
    pub fn connection(&self) -> Connection {
        Connection {
            transport: self.transport.clone(),
            ip: self.registration_ip.clone(),
            shell_port: 0,
            control_port: 0,
            iopub_port: 0,
            stdin_port: 0,
            hb_port: 0,
            key: self.key.clone(),
            signature_scheme: self.signature_scheme.clone(),
        }
    }

    /// Tells the launcher the ports of `connection`, which are bound, and waits until it has taken note.
    pub async fn announce(&self, connection: &Connection, wire: &Wire) -> Result<(), String> {
        let at = format!("{}://{}:{}", self.transport, self.registration_ip, self.registration_port);
        let failed = |what: String| format!("registration at {at}: {what}");
        // The specification gives ports as strings.
        let content = json!({
            "kernel_id": self.kernel_id,
            "shell_port": connection.shell_port.to_string(),
            "control_port": connection.control_port.to_string(),
            "iopub_port": connection.iopub_port.to_string(),
            "stdin_port": connection.stdin_port.to_string(),
            "hb_port": connection.hb_port.to_string(),
        });
        let handshake = async {
            let mut socket = DealerSocket::new();
            socket.connect(&at).await.map_err(|e| failed(e.to_string()))?;
            socket.send(wire.write_single(&content)).await.map_err(|e| failed(e.to_string()))?;
            loop {
                let answer = socket.recv().await.map_err(|e| failed(e.to_string()))?;
                match wire.read_single(answer) {
                    Ok(_) => return Ok(()),
                    // Only who knows the key may say that the kernel is registered.
                    Err(Dropped::Signature) => return Err(failed("the acknowledgement has a wrong signature".into())),
                    Err(_) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, handshake)
            .await
            .unwrap_or_else(|_| Err(failed(format!("no acknowledgement within {} s", PATIENCE.as_secs()))))
    }
}

/// The connection file of a kernel that chose its ports, for clients that its launcher does not know. It goes when this
/// is dropped.
pub struct Written {
    path: PathBuf,
    text: String,
}

/// The field by which a kernel knows a file that one of its kind has written and left behind.
const MARK: &str = "written_by";
const OURS: &str = "minerva kernel";

impl Written {
    /// Writes the file where Jupyter looks for those of running kernels; `None` where that is not possible.
    pub fn write(kernel_id: &str, connection: &Connection) -> Option<Self> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if kernel_id.is_empty() || !kernel_id.chars().all(legal) {
            return None;
        }
        Self::write_in(&runtime_folder()?, kernel_id, connection)
    }

    /// A file that stands there already is its launcher's, and stays, unless an earlier kernel left it behind.
    fn write_in(folder: &Path, kernel_id: &str, connection: &Connection) -> Option<Self> {
        let mut content = serde_json::to_value(connection).ok()?;
        content.as_object_mut()?.insert(MARK.to_owned(), OURS.into());
        let text = serde_json::to_string_pretty(&content).ok()?;
        std::fs::create_dir_all(folder).ok()?;
        let path = folder.join(format!("kernel-{kernel_id}.json"));
        if left_behind(&path) {
            std::fs::remove_file(&path).ok()?;
        }
        // A temporary file is readable for its owner alone: it holds the key.
        let mut file = tempfile::NamedTempFile::new_in(folder).ok()?;
        file.write_all(text.as_bytes()).ok()?;
        file.persist_noclobber(&path).ok()?;
        Some(Self { path, text })
    }
}

fn left_behind(path: &Path) -> bool {
    let content = std::fs::read(path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    content.is_some_and(|content| content.get(MARK).and_then(Value::as_str) == Some(OURS))
}

impl Drop for Written {
    fn drop(&mut self) {
        // A launcher may have put its own in this place since.
        if std::fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_single_frame_is_signed_as_the_specification_says() {
        let wire = Wire::new("a-key", "s");
        let message = wire.write_single(&json!({ "kernel_id": "k" }));
        let frames: Vec<Bytes> = message.clone().into_vec();
        assert_eq!(frames.len(), 3);
        assert_eq!(frames[0].as_ref(), b"<IDS|MSG>");
        assert_eq!(frames[2].as_ref(), br#"{"kernel_id":"k"}"#);
        // Python: hmac.new(b"a-key", b'{"kernel_id":"k"}', "sha256").hexdigest()
        assert_eq!(frames[1].as_ref(), SIGNATURE.as_bytes());
        assert_eq!(wire.read_single(message.clone()).unwrap()["kernel_id"], "k");
        assert_eq!(Wire::new("other", "s").read_single(message).unwrap_err(), Dropped::Signature);
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kernel-k.json");
        let connection = |port: u16| Connection {
            transport: "tcp".into(),
            ip: "127.0.0.1".into(),
            shell_port: port,
            control_port: 0,
            iopub_port: 0,
            stdin_port: 0,
            hb_port: 0,
            key: "a-key".into(),
            signature_scheme: "hmac-sha256".into(),
        };
        let read = || serde_json::from_slice::<Value>(&std::fs::read(&file).unwrap()).unwrap();
        std::fs::write(&file, r#"{"key": "the launcher's"}"#).unwrap();
        assert!(Written::write_in(folder.path(), "k", &connection(1)).is_none());
        assert_eq!(read()["key"], "the launcher's");
        std::fs::remove_file(&file).unwrap();

        // One that a kernel left behind gives way to the next.
        std::mem::forget(Written::write_in(folder.path(), "k", &connection(2)).unwrap());
        let ours = Written::write_in(folder.path(), "k", &connection(3)).unwrap();
        assert_eq!(read()["shell_port"], 3);
        drop(ours);
        assert!(!file.exists());

        let ours = Written::write_in(folder.path(), "k", &connection(4)).unwrap();
        std::fs::write(&file, "{}").unwrap();
        drop(ours);
        assert_eq!(read(), json!({}), "replaced by somebody else since");
    }

    const SIGNATURE: &str = "9d3ecbb30eb6c56ac58adac556a48c82ddb594bb08d43bccfe52207549b20227";
}
