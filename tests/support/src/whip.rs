//! WHIP (RFC 9725) and WHEP clients: plain HTTP around an offer.

use anyhow::{Context, ensure};

/// A resource made by an offer.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Where to send `DELETE` and `PATCH`.
    pub url: String,
    /// The answer.
    pub sdp: String,
    /// Its entity tag.
    pub etag: Option<String>,
    /// Its `Link` headers.
    pub links: Vec<String>,
}

/// Posts an offer.
///
/// # Errors
/// When the answer is not `201 Created` with a `Location`; the status is in the message.
pub async fn post(base: &str, path: &str, token: &str, offer: &str) -> anyhow::Result<Resource> {
    let answer = reqwest::Client::new()
        .post(format!("{base}{path}"))
        .header("content-type", "application/sdp")
        .bearer_auth(token)
        .body(offer.to_owned())
        .send()
        .await?;
    let status = answer.status();
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let links = answer.headers().get_all("link").iter();
    let links = links.filter_map(|link| link.to_str().ok().map(str::to_owned)).collect();
    let (location, etag, kind) = (header("location"), header("etag"), header("content-type"));
    let sdp = answer.text().await?;
    ensure!(status.as_u16() == 201, "{status}: {sdp}");
    ensure!(
        kind.as_deref().is_some_and(|kind| kind.starts_with("application/sdp")),
        "content type {kind:?}"
    );
    let location = location.context("no Location")?;
    let url = if location.starts_with('/') {
        format!("{base}{location}")
    } else {
        location
    };
    Ok(Resource { url, sdp, etag, links })
}
