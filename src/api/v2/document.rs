//! The description of the API, made from the code: OpenAPI for programs, and a page for people.

use std::fmt::Write;

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{live, recordings, rooms, sessions};

#[derive(OpenApi)]
#[openapi(
    info(title = "Enfilade", description = "Rooms, sessions and links over HTTP. Tokens are those that clients join with."),
    paths(
        rooms::make, rooms::list, rooms::show, rooms::validate, rooms::change, rooms::switch, rooms::deactivate,
        sessions::list, sessions::show, sessions::participants, sessions::active, sessions::links, sessions::stats,
        sessions::participant_stats,
        live::remove, live::end, live::mute, live::move_to, live::send, live::participants,
        live::links, live::open_link, live::close_link,
        recordings::list, recordings::show, recordings::download, recordings::remove,
        super::public_key,
    ),
    components(responses(Problem)),
    modifiers(&Token),
)]
struct Description;

/// Why a request was refused (RFC 9457).
#[derive(Serialize, utoipa::ToSchema, utoipa::ToResponse)]
#[response(
    description = "Why the request was refused",
    content_type = "application/problem+json"
)]
pub(super) struct Problem {
    status: u16,
    /// Stable; one of the client protocol.
    code: String,
    /// A sentence for a person.
    detail: String,
}

struct Token;

impl Modify for Token {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let header = ApiKeyValue::with_description("Authorization", "A token, with or without `Bearer` before it");
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::ApiKey(ApiKey::Header(header)));
        description.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    }
}

/// `GET /v2/openapi.json`.
pub(super) async fn json() -> Response {
    match Description::openapi().to_json() {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the description of the API cannot be written");
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `GET /v2/docs`: the same to be read, without anything from elsewhere.
pub(super) async fn page() -> Html<String> {
    let description = serde_json::to_value(Description::openapi()).unwrap_or_default();
    Html(render(&description))
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}\
code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#f4f4f4;padding:.7rem;overflow:auto;border-radius:4px}\
h2{margin-top:2.5rem;border-bottom:1px solid #ddd}h3{margin-bottom:.2rem}b.m{display:inline-block;min-width:4rem;color:#065}\
td{padding:.1rem 1rem .1rem 0;vertical-align:top}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}pre{background:#262626}b.m{color:#5c9}}";

fn render(description: &Value) -> String {
    let mut page = String::new();
    // Writing to a String does not fail.
    let _ = write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Enfilade REST API</title>\
         <style>{STYLE}</style><h1>Enfilade REST API</h1><p>{}</p><p>For programs: <a href=openapi.json>openapi.json</a></p>",
        prose(text(&description["info"]["description"])),
    );
    for (path, methods) in description["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let _ = write!(
                page,
                "<h3><b class=m>{}</b> <code>{}</code></h3><p>{}. {}</p>",
                escape(&method.to_uppercase()),
                escape(path),
                prose(text(&operation["summary"])),
                prose(text(&operation["description"])),
            );
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
                let _ = write!(page, "<div><code>{}</code> ({})</div>", escape(name), escape(place));
            }
            body(&mut page, description, &operation["requestBody"]["content"], "Body");
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                if status.starts_with('2') {
                    body(&mut page, description, &response["content"], status);
                }
            }
        }
    }
    page
}

/// The fields of a body, with what they mean.
fn body(page: &mut String, description: &Value, content: &Value, title: &str) {
    let Some(reference) = content["application/json"]["schema"]["$ref"].as_str() else {
        return;
    };
    let name = reference.rsplit('/').next().unwrap_or_default();
    let _ = write!(page, "<p>{}: <code>{}</code></p><table>", escape(title), escape(name));
    let properties = &description["components"]["schemas"][name]["properties"];
    for (field, schema) in properties.as_object().into_iter().flatten() {
        let _ = write!(
            page,
            "<tr><td><code>{}</code><td>{}",
            escape(field),
            prose(text(&schema["description"]))
        );
    }
    page.push_str("</table>");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What stands between backticks is code.
fn prose(text: &str) -> String {
    let mut parts = escape(text).split('`').map(str::to_owned).collect::<Vec<_>>();
    parts
        .iter_mut()
        .skip(1)
        .step_by(2)
        .for_each(|code| *code = format!("<code>{code}</code>"));
    parts.concat()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_operation_and_loads_nothing_from_elsewhere() {
        let description = serde_json::to_value(Description::openapi()).unwrap();
        let page = render(&description);
        assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
        for path in description["paths"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
        }
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src="));
    }
}
