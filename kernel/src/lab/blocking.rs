//! Work that waits for files.

use super::error::{ApiError, ApiResult};

/// Runs it on a thread that may wait.
///
/// # Errors
/// What the work says; 500 where it broke off.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> ApiResult<T> + Send + 'static) -> ApiResult<T> {
    let ended = |e| Err(ApiError::internal(format!("work on a file ended early: {e}")));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(ended)
}
