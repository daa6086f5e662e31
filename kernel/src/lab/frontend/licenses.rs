//! Under which licences the front end is distributed: Help, Licenses.

use super::config::JUPYTERLAB_VERSION;
use super::embedded;
use crate::lab::blocking::blocking;
use crate::lab::error::{ApiError, ApiResult};
use axum::extract::Query;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fmt::Write;

const JUPYTERLAB: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/LICENSES/jupyterlab.txt"));
const EXTENSION: &str = "Licensed under either of the Apache License, Version 2.0, or the MIT license, at your choice.";

/// In which form, and of what.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    format: Option<String>,
    bundles: Option<String>,
    full_text: Option<String>,
    download: Option<String>,
}

/// `GET /lab/api/licenses/`
pub async fn report(Query(wanted): Query<Wanted>) -> ApiResult {
    blocking(move || answer(&wanted)).await
}

fn answer(wanted: &Wanted) -> ApiResult<Response> {
    let bundles = bundles(wanted.bundles.as_deref().unwrap_or(".*"))?;
    let full = !matches!(wanted.full_text.as_deref(), Some("false" | "0"));
    let (text, kind, extension) = match wanted.format.as_deref().unwrap_or("json") {
        "json" => (as_json(&bundles), "application/json", "json"),
        "csv" => (as_csv(&bundles), "text/csv; charset=utf-8", "csv"),
        "markdown" => (as_markdown(&bundles, full), "text/markdown; charset=utf-8", "md"),
        other => {
            return Err(ApiError::bad_request(format!("expected the format json, csv or markdown, found {other:?}")));
        }
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if !matches!(wanted.download.as_deref(), None | Some("" | "0" | "false")) {
        let name = format!("attachment; filename=\"minerva-licenses.{extension}\"");
        headers.extend(HeaderValue::from_str(&name).ok().map(|name| (CONTENT_DISPOSITION, name)));
    }
    Ok((headers, text).into_response())
}

/// A name and its packages, for each part whose name begins as asked; `.*` is all of them.
fn bundles(beginning: &str) -> ApiResult<Vec<(&'static str, Vec<Value>)>> {
    let damaged = |e: String| ApiError::internal(format!("third-party-licenses.json: the packed file is damaged: {e}"));
    let file =
        embedded::file("static/third-party-licenses.json").ok_or_else(|| damaged("there is none".to_string()))?;
    let content = file.content().map_err(|e| damaged(e.to_string()))?;
    let mut listed: Value = serde_json::from_slice(&content).map_err(|e| damaged(e.to_string()))?;
    let mut packages = vec![package("jupyterlab", JUPYTERLAB_VERSION, "BSD-3-Clause", JUPYTERLAB)];
    if let Some(Value::Array(others)) = listed.get_mut("packages").map(Value::take) {
        packages.extend(others);
    }
    let ours = vec![package("minerva", env!("CARGO_PKG_VERSION"), "Apache-2.0 OR MIT", EXTENSION)];
    let mut all = vec![("@jupyterlab/application-top", packages), (embedded::EXTENSION_NAME, ours)];
    all.retain(|(name, _)| beginning == ".*" || name.starts_with(beginning));
    Ok(all)
}

fn package(name: &str, version: &str, license: &str, text: &str) -> Value {
    json!({ "name": name, "versionInfo": version, "licenseId": license, "extractedText": text })
}

fn as_json(bundles: &[(&str, Vec<Value>)]) -> String {
    let mut named = Map::new();
    for (name, packages) in bundles {
        named.insert((*name).to_string(), json!({ "packages": packages }));
    }
    json!({ "bundles": named }).to_string()
}

fn field<'a>(package: &'a Value, name: &str) -> &'a str {
    package.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn as_csv(bundles: &[(&str, Vec<Value>)]) -> String {
    let names = ["name", "versionInfo", "licenseId", "extractedText"];
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = format!("bundle,{}\r\n", names.join(","));
    for (bundle, packages) in bundles {
        for package in packages {
            let fields: Vec<String> = names.iter().map(|name| quoted(field(package, name))).collect();
            let _ = writeln!(text, "{},{}\r", quoted(bundle), fields.join(","));
        }
    }
    text
}

fn as_markdown(bundles: &[(&str, Vec<Value>)], full: bool) -> String {
    let mut text = String::new();
    for (bundle, packages) in bundles {
        let _ = writeln!(text, "# {bundle}\n");
        for package in packages {
            let [name, version, license] = ["name", "versionInfo", "licenseId"].map(|name| field(package, name));
            let _ = writeln!(text, "## **{name}** `{version}` {license}\n");
            match field(package, "extractedText") {
                _ if !full => {}
                "" => text.push_str("> No license text available\n\n"),
                license => {
                    // Indented, so that nothing in it is read as Markdown or HTML.
                    for line in license.lines() {
                        let _ = writeln!(text, "    {line}");
                    }
                    text.push('\n');
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use axum::http::StatusCode;

    #[test]
    fn every_form_names_every_package() {
        let all = bundles(".*").unwrap();
        assert_eq!(all.len(), 2);
        assert!(all[0].1.len() > 270, "{}", all[0].1.len());
        let json: Value = serde_json::from_str(&as_json(&all)).unwrap();
        assert_eq!(json["bundles"]["@jupyterlab/application-top"]["packages"][0]["licenseId"], "BSD-3-Clause");
        assert!(as_csv(&all).contains("\"@minerva/lab-extension\",\"minerva\""));
        let (long, short) = (as_markdown(&all, true), as_markdown(&all, false));
        assert!(long.len() > short.len() && short.contains("**jupyterlab** `4.6.6` BSD-3-Clause"));
        assert_eq!(bundles("@minerva/").unwrap().len(), 1);
    }

    #[test]
    fn a_download_has_a_name() {
        let wanted = |format: &str| Wanted {
            format: Some(format.to_string()),
            download: Some("1".to_string()),
            ..Wanted::default()
        };
        let sent = answer(&wanted("markdown")).unwrap();
        assert_eq!(sent.headers()[CONTENT_DISPOSITION], "attachment; filename=\"minerva-licenses.md\"");
        assert_eq!(answer(&wanted("pdf")).unwrap_err().status, StatusCode::BAD_REQUEST);
        assert!(answer(&Wanted::default()).unwrap().headers().get(CONTENT_DISPOSITION).is_none());
    }
}
