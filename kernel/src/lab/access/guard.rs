//! Every request passes here first.

use super::keeper::{Access, Proof, XSRF};
use super::origin::{Source, navigates, source};
use super::seal::Session;
use super::{cookies, headers, query};
use crate::lab::error::ApiError;
use crate::lab::page::{is_api, refusal};
use crate::lab::state::App;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, HOST, LOCATION, RETRY_AFTER, SET_COOKIE, UPGRADE};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::{Duration, Instant};

/// Where browsers report that a page tried what its policy forbids. They send no proof along.
const REPORTS: &str = "/api/security/csp-report";

const UNKNOWN_HOST: &str = "this server does not go by the name that it was asked by (the Host of the request)\n\
    help: ask it as localhost or 127.0.0.1, or start it with --allow-host NAME";
const FOREIGN: &str = "the request comes from a page of another server, and has no token of its own\n\
    help: programs send the header `Authorization: token TOKEN`";
const NO_XSRF: &str = "'_xsrf' argument missing from the request, or not that of this session\n\
    help: send the value of the cookie _xsrf in the header X-XSRFToken; reload the page if it is open for long";
const STRANGER: &str = "expected a token or the cookie of a browser that has logged in, found neither\n\
    help: open the address that `minerva lab list` shows, or send the header `Authorization: token TOKEN`";

/// Lets a request through to its handler, or answers it.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let api = is_api(request.uri().path());
    let verdict = admit(&app.access, &request, api);
    let mut response = match verdict {
        Break(response) => response,
        Continue(cookies) => with_cookies(next.run(request).await, cookies),
    };
    headers::dress(response.headers_mut(), api);
    response
}

/// Whether the request may pass; the cookies are for its answer.
fn admit(access: &Access, request: &Request, api: bool) -> ControlFlow<Response, Vec<HeaderValue>> {
    let (headers, method, path) = (request.headers(), request.method(), request.uri().path());
    let refuse = |message: &str| Break(refusal(api, ApiError::forbidden(message)));
    let Some(host) = host(request).filter(|host| access.hosts().admit(host)) else { return refuse(UNKNOWN_HOST) };
    if method == Method::OPTIONS {
        let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        return Break((StatusCode::NO_CONTENT, [(ALLOW, methods)]).into_response());
    }
    let source = source(headers, host);
    if is_public(method, path) {
        let harmless = is_safe(method) || path == REPORTS || source != Source::Foreign;
        return if harmless { Continue(Vec::new()) } else { refuse(FOREIGN) };
    }
    let session = access.session(headers);
    let query = request.uri().query().unwrap_or_default();
    for (token, in_address) in tokens(headers, query) {
        match access.prove(&token, came_from(request.extensions()), Instant::now()) {
            Proof::Right => {
                access.asked(request);
                let goes = method == Method::GET && !is_upgrade(headers);
                return match in_address && goes && is_page(path, headers) {
                    true => Break(exchanged(access, headers, path, query)),
                    false => Continue(Vec::new()),
                };
            }
            Proof::TooMany(wait) if session.is_none() => return Break(too_many(api, wait)),
            // A browser that is logged in may have an old address.
            Proof::Wrong | Proof::TooMany(_) => {}
        }
    }
    let Some(session) = session else { return Break(stranger(method, path, query, api)) };
    if let Some(problem) = suspicious(access, &session, request, source, api) {
        return refuse(problem);
    }
    access.asked(request);
    let page = method == Method::GET && !api && navigates(headers);
    Continue(if page { access.refreshed(&session, headers) } else { Vec::new() })
}

impl Access {
    /// Notes that somebody does something; pages that only look come by themselves every few seconds.
    fn asked(&self, request: &Request) {
        if !is_safe(request.method()) || is_upgrade(request.headers()) {
            self.asked_now();
        }
    }
}

/// What speaks against a request whose only proof is a cookie: browsers send it along for every page.
fn suspicious(
    access: &Access,
    session: &Session,
    request: &Request,
    source: Source,
    api: bool,
) -> Option<&'static str> {
    let (headers, method) = (request.headers(), request.method());
    let foreign = source == Source::Foreign;
    if is_safe(method) {
        // A link from elsewhere may lead to our pages, but nothing of ours is for use in others, WebSockets least of all.
        return (foreign && (api || !navigates(headers))).then_some(FOREIGN);
    }
    if foreign {
        return Some(FOREIGN);
    }
    (!has_xsrf(access, session, request, source)).then_some(NO_XSRF)
}

/// Whether the request shows what only a page of ours can read. The cookie `_xsrf` has no port in its name, so that
/// another server on this machine, of Jupyter or of ours, may have written it anew: where the browser vouches for our
/// page, it is enough that both are the same.
fn has_xsrf(access: &Access, session: &Session, request: &Request, source: Source) -> bool {
    let headers = request.headers();
    let header = ["x-xsrftoken", "x-csrftoken"].iter().find_map(|name| headers.get(*name)?.to_str().ok());
    let query = || query::value(request.uri().query().unwrap_or_default(), XSRF);
    let Some(sent) = header.map(str::to_owned).or_else(query).filter(|sent| !sent.is_empty()) else { return false };
    access.seal().is_xsrf(&sent, session) || source == Source::Own && cookies::values(headers, XSRF).contains(&sent)
}

/// What may be asked without a proof.
fn is_public(method: &Method, path: &str) -> bool {
    match path {
        "/login" | "/logout" | REPORTS => true,
        "/api" | "/favicon.ico" => is_safe(method),
        _ => false,
    }
}

/// Whether the method changes nothing.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
}

/// Whether a person looks at the answer, so that a token has to leave the address. Programs fetch files with it.
fn is_page(path: &str, headers: &HeaderMap) -> bool {
    !is_api(path) && (navigates(headers) || !path.starts_with("/files/"))
}

/// The one `Host` of a request; an address that names another, as a proxy is asked, has none.
fn host(request: &Request) -> Option<&str> {
    let authority = request.uri().authority();
    the_host(request.headers()).filter(|host| authority.is_none_or(|a| a.as_str().eq_ignore_ascii_case(host)))
}

/// The one header `Host`.
pub(super) fn the_host(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(HOST).iter();
    let host = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(host)
}

/// The tokens of a request, and whether each stands in the address. An old one there does not hide that of the header.
fn tokens(headers: &HeaderMap, query: &str) -> impl Iterator<Item = (String, bool)> {
    let in_header = || {
        let (scheme, token) = headers.get("authorization")?.to_str().ok()?.split_once(' ')?;
        let known = ["token", "bearer"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        known.then(|| (token.trim().to_owned(), false))
    };
    let in_address = query::value(query, "token").filter(|token| !token.is_empty()).map(|token| (token, true));
    in_header().into_iter().chain(in_address)
}

/// The address that a request comes from.
pub(super) fn came_from(extensions: &Extensions) -> IpAddr {
    extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |from| from.0.ip())
}

/// The browser gets a cookie for its token, and is sent to the same address without it.
fn exchanged(access: &Access, headers: &HeaderMap, path: &str, query: &str) -> Response {
    let address = join(path, &query::without(query, "token"));
    with_cookies(redirect(&query::local(&address)), access.welcome(headers))
}

/// Somebody without any proof: a person logs in, a program is told.
fn stranger(method: &Method, path: &str, query: &str, api: bool) -> Response {
    if api || !matches!(*method, Method::GET | Method::HEAD) {
        return refusal(api, ApiError::forbidden(STRANGER));
    }
    let wanted = join(path, &query::without(query, "token"));
    redirect(&format!("/login?next={}", query::encode(&wanted)))
}

fn join(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Sends a browser to an address on this server.
pub(super) fn redirect(address: &str) -> Response {
    let address = HeaderValue::from_str(address).unwrap_or_else(|_| HeaderValue::from_static(query::HOME));
    let kept = HeaderValue::from_static("no-store");
    (StatusCode::FOUND, [(LOCATION, address), (CACHE_CONTROL, kept)]).into_response()
}

/// Too many wrong tokens came.
pub(super) fn too_many(api: bool, wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let message = format!("too many wrong tokens\nhelp: wait {seconds} s; `minerva lab list` shows the right one");
    let mut response = refusal(api, ApiError::new(StatusCode::TOO_MANY_REQUESTS, message));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Gives the answer these cookies.
pub(super) fn with_cookies(mut response: Response, cookies: Vec<HeaderValue>) -> Response {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
