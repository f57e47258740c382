//! WHIP (RFC 9725) and WHEP, for any server that has them.

use testkit::whip;

use super::{Person, Stay, Target};

pub(super) async fn exchange(target: &Target, person: &Person, offer: &str) -> anyhow::Result<(String, Stay)> {
    let token = target.node.token_if_there(&person.room, Some(&person.id)).await;
    let path = match &person.watches {
        None => target.whip_path.replace("{room}", &person.room),
        Some(publisher) => target
            .whep_path
            .replace("{room}", &person.room)
            .replace("{publisher}", publisher),
    };
    let resource = whip::post(&target.url, &path, &token, offer).await?;
    Ok((resource.sdp, Stay::Resource(resource.url)))
}

pub(super) async fn delete(url: &str) -> anyhow::Result<()> {
    reqwest::Client::new().delete(url).send().await?;
    Ok(())
}
