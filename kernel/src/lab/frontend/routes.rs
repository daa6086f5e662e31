//! The front end's addresses.

use super::{assets, language, licenses, page, settings, workspaces};
use crate::lab::state::App;
use axum::Router;
use axum::routing::get;

/// The front end's addresses.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(page::home))
        .route("/lab", get(page::lab))
        .route("/lab/", get(page::home))
        .route("/lab/{*rest}", get(page::lab_at))
        .route("/doc", get(page::doc))
        .route("/doc/", get(page::doc))
        .route("/doc/{*rest}", get(page::doc_at))
        .route("/static/lab/{*path}", get(assets::script))
        .route("/lab/api/themes/{*path}", get(assets::theme))
        .route("/lab/extensions/{*path}", get(assets::extension))
        .route("/static/favicons/{name}", get(assets::favicon))
        .route("/static/logo/{name}", get(assets::logo))
        .route("/favicon.ico", get(assets::icon))
        .route("/lab/api/settings", get(settings::list))
        .route("/lab/api/settings/", get(settings::list))
        .route("/lab/api/settings/{*id}", get(settings::one).put(settings::save))
        .route("/lab/api/workspaces", get(workspaces::list))
        .route("/lab/api/workspaces/", get(workspaces::list))
        .route("/lab/api/workspaces/{*name}", get(workspaces::one).put(workspaces::save).delete(workspaces::remove))
        .route("/lab/api/translations", get(language::packs))
        .route("/lab/api/translations/", get(language::packs))
        .route("/lab/api/translations/{locale}", get(language::pack))
        .route("/lab/api/listings/{*path}", get(language::listings))
        .route("/lab/api/licenses", get(licenses::report))
        .route("/lab/api/licenses/", get(licenses::report))
}
