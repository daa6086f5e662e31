//! All addresses of the server.

use super::state::App;
use super::{access, api, contents, events, frontend, kernels, sessions};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;

/// The longest body of a request, in bytes: as in Jupyter Server, a notebook of 500 MB can still be saved.
pub const MAX_BODY: usize = 512 << 20;

/// The whole server. Every request passes [`access::guard`] first.
pub fn router(app: App) -> Router {
    Router::new()
        .merge(access::routes())
        .merge(api::routes())
        .merge(contents::routes())
        .merge(kernels::routes())
        .merge(sessions::routes())
        .merge(events::routes())
        .merge(frontend::routes())
        .fallback(api::nothing_here)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(app.clone(), access::guard))
        .with_state(app)
}
