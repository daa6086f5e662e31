//! The page on which a browser logs in that came without a token, and the way out.

use super::guard::{came_from, redirect, the_host, too_many, with_cookies};
use super::keeper::{Access, Proof, XSRF};
use super::origin::{Source, source};
use super::{cookies, query};
use crate::display::escape_html;
use crate::lab::error::ApiError;
use crate::lab::page::{page, refusal};
use crate::lab::state::App;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use std::time::Instant;

/// The longest form, in bytes.
const MOST_FORM: usize = 16 << 10;

/// The addresses of this part.
pub fn routes() -> Router<App> {
    Router::new().route("/login", get(form).post(enter)).route("/logout", get(leave))
}

async fn form(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    let next = next([uri.query().unwrap_or_default()]);
    if app.access.session(&headers).is_some() {
        return redirect(&next);
    }
    shown(&app.access, &headers, StatusCode::OK, &next, "")
}

async fn enter(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MOST_FORM).await else {
        let problem = "expected the form of the login page, found something longer";
        return refusal(false, ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, problem));
    };
    let (access, headers, form) = (&app.access, &parts.headers, String::from_utf8_lossy(&body));
    let next = next([&form, parts.uri.query().unwrap_or_default()]);
    let Some(xsrf) = xsrf(access, headers, &form) else {
        let problem = "The form was not the one of this page: it is now, so try again.";
        return shown(access, headers, StatusCode::FORBIDDEN, &next, problem);
    };
    // `password` is what Jupyter calls the field.
    let token = query::value(&form, "token").or_else(|| query::value(&form, "password")).unwrap_or_default();
    match access.prove(token.trim(), came_from(&parts.extensions), Instant::now()) {
        Proof::Right => {
            // Browsers say where a form comes from. In them another server of this machine may have set the cookie of the
            // login page, and would know it.
            let program = source_of(headers) == Source::Unknown && access.session(headers).is_none();
            let cookies = if program { access.welcome_program(&xsrf) } else { access.welcome(headers) };
            with_cookies(redirect(&next), cookies)
        }
        Proof::Wrong => {
            let problem = "That is not the token of this server: each start makes a new one.";
            shown(access, headers, StatusCode::UNAUTHORIZED, &next, problem)
        }
        Proof::TooMany(wait) => too_many(false, wait),
    }
}

async fn leave(State(app): State<App>, headers: HeaderMap) -> Response {
    if source_of(&headers) == Source::Foreign {
        return refusal(false, ApiError::forbidden("another page asked to log you out; you are still logged in"));
    }
    let body = "<p>This browser is logged out. Kernels go on.</p>\n<p><a href=\"/login\">Log in again</a></p>";
    with_cookies(unkept(page(StatusCode::OK, "Logged out", body)), app.access.farewell(&headers))
}

/// The `_xsrf` of the form, if it is that of the cookie, and we wrote it, or the browser vouches for our page.
fn xsrf(access: &Access, headers: &HeaderMap, form: &str) -> Option<String> {
    let sent = query::value(form, XSRF).filter(|sent| !sent.is_empty())?;
    let good = access.seal().is_visitor(&sent) || source_of(headers) == Source::Own;
    (good && cookies::values(headers, XSRF).contains(&sent)).then_some(sent)
}

fn source_of(headers: &HeaderMap) -> Source {
    the_host(headers).map_or(Source::Foreign, |host| source(headers, host))
}

/// Where the browser goes afterwards: what the first says that says something.
fn next<const N: usize>(pairs: [&str; N]) -> String {
    let wanted = pairs.iter().find_map(|pairs| query::value(pairs, "next")).unwrap_or_default();
    let own = ["/login", "/logout"].iter().any(|own| wanted.starts_with(own));
    if own { query::HOME.to_owned() } else { query::local(&wanted) }
}

fn shown(access: &Access, headers: &HeaderMap, status: StatusCode, next: &str, problem: &str) -> Response {
    let known = cookies::values(headers, XSRF).into_iter().find(|value| access.seal().is_visitor(value));
    let fresh = known.is_none();
    let xsrf = known.unwrap_or_else(|| access.seal().visitor());
    let problem = match problem {
        "" => String::new(),
        problem => format!("<p class=\"problem\" role=\"alert\">{}</p>\n", escape_html(problem)),
    };
    let body = format!(
        "{problem}<form method=\"post\" action=\"/login\">\n\
         <input type=\"hidden\" name=\"_xsrf\" value=\"{}\"><input type=\"hidden\" name=\"next\" value=\"{}\">\n\
         <label>Token<input type=\"password\" name=\"token\" autocomplete=\"off\" autofocus required></label>\n\
         <button>Log in</button></form>\n\
         <p>The token stands in the address that <code>minerva lab</code> printed. <code>minerva lab list</code> shows \
         it again.</p>",
        escape_html(&xsrf),
        escape_html(next),
    );
    let cookie = if fresh { cookies::set(XSRF, &xsrf, false) } else { None };
    with_cookies(unkept(page(status, "Log in", &body)), cookie.into_iter().collect())
}

/// Nobody keeps this answer.
fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_way_on_stays_here() {
        assert_eq!(next(["next=%2Flab%2Ftree%2Fa%2520b%3Fx%3D1"]), "/lab/tree/a%20b?x=1");
        assert_eq!(next(["token=x", "next=/tree//x"]), "/tree//x");
        for pairs in ["", "next=", "next=http://evil.example", "next=//evil.example", "next=/login?next=/login"] {
            assert_eq!(next([pairs]), "/", "{pairs}");
        }
    }
}
