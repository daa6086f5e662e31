//! The wish that the server ends.

use std::sync::Arc;
use tokio::sync::watch;

/// The wish that the server ends, from whoever has it to all that wait for it. Cloning it shares it.
#[derive(Debug, Clone)]
pub struct Leave(Arc<watch::Sender<bool>>);

impl Default for Leave {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Leave {
    /// Asks the server to end.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is asked to.
    pub async fn asked(&self) {
        let mut asked = self.0.subscribe();
        let _ = asked.wait_for(|asked| *asked).await;
    }
}
