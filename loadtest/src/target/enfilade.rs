//! Enfilade's own signalling (docs/PROTOCOL.md).

use anyhow::Context;
use enfilade::packet::Kind;
use serde_json::{Value, json};
use testkit::Signal;

use super::{Person, Stay, Target};
use crate::sdp::{Direction, Line};

pub(super) async fn exchange(
    target: &Target,
    person: &Person,
    lines: &[Line],
    offer: &str,
) -> anyhow::Result<(String, Stay)> {
    let token = person.token.as_deref().context("nobody gets in without a token")?;
    let mut signal = Signal::connect(&target.url).await?;
    signal.join(token, json!({"participant": person.id})).await?;
    let publish: Vec<Value> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| matches!(line.direction, Direction::Sends { .. }))
        .map(|(mid, line)| {
            let source = match line.kind {
                Kind::Audio => "microphone",
                Kind::Video => "camera",
            };
            json!({"mid": mid.to_string(), "source": source})
        })
        .collect();
    let answer = signal
        .request("offer", json!({"sdp": offer, "publish": publish}))
        .await?;
    let sdp = answer["sdp"].as_str().context("an answer without SDP")?;
    Ok((sdp.to_owned(), Stay::Signalling(Box::new(signal))))
}
