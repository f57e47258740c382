//! A whole client: signalling and media together.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, Options, Sending};
use crate::media::Codec;
use crate::signal::Signal;

/// Somebody in a room.
pub struct Participant {
    /// The signalling socket.
    pub signal: Signal,
    /// The connection.
    pub endpoint: Arc<Endpoint>,
    /// The answer to the join.
    pub joined: Value,
    /// Own id.
    pub id: String,
    /// Latest answer to an offer.
    pub answered: Value,
    sendings: Vec<(Sending, &'static str)>,
    /// Who sits where, as far as the events have been read.
    seating: BTreeMap<u64, Value>,
    url: String,
}

/// One receive place as the answer describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its rank.
    pub seat: u64,
    /// SSRC of its sound.
    pub audio_ssrc: u32,
    /// SSRC of its picture.
    pub video_ssrc: Option<u32>,
}

impl Participant {
    /// Joins a room with a token. `fields` are added to the join.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join(url: &str, token: &str, fields: Value) -> anyhow::Result<Participant> {
        Participant::join_with(url, token, fields, Options::default()).await
    }

    /// The same with a connection of another kind.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join_with(url: &str, token: &str, fields: Value, options: Options) -> anyhow::Result<Participant> {
        let mut signal = Signal::connect(url).await?;
        let joined = signal.join(token, fields).await?;
        let id = joined["participant"]["id"]
            .as_str()
            .context("joined without an id")?
            .to_owned();
        let endpoint = Arc::new(Endpoint::new(options).await?);
        Ok(Participant {
            signal,
            endpoint,
            joined,
            id,
            answered: Value::Null,
            sendings: Vec::new(),
            seating: BTreeMap::new(),
            url: url.to_owned(),
        })
    }

    /// Adds a source to the next offer. `source` is its number in the stamps.
    ///
    /// # Errors
    /// When the connection refuses.
    pub fn send(&mut self, what: &'static str, codec: Codec, rids: &[&str], source: u32) -> anyhow::Result<Sending> {
        let sending = self.endpoint.add_sending(codec, rids, source)?;
        self.sendings.push((sending.clone(), what));
        Ok(sending)
    }

    /// Offers what was added and publishes each new source, then waits until media can flow.
    ///
    /// # Errors
    /// When the server refuses or the connection does not come about.
    pub async fn negotiate(&mut self) -> anyhow::Result<()> {
        self.offer(false).await?;
        self.endpoint.connected().await
    }

    /// Offers, without waiting for the connection.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn offer(&mut self, ice_restart: bool) -> anyhow::Result<()> {
        let sdp = self.endpoint.offer(ice_restart)?;
        let published: Vec<String> = self.publications().into_iter().map(|(mid, _)| mid).collect();
        let mut publish = Vec::new();
        for (sending, what) in &self.sendings {
            let mid = self.endpoint.mid_of(sending).context("a sending line without mid")?;
            if !published.contains(&mid) {
                publish.push(json!({"mid": mid, "source": what}));
            }
        }
        let mut answer = self
            .signal
            .request("offer", json!({"sdp": sdp, "publish": publish}))
            .await?;
        let sdp = answer["sdp"].as_str().context("an answer without SDP")?.to_owned();
        self.endpoint.answer(&sdp)?;
        if let (Some(known), Some(new)) = (
            self.answered["publications"].as_array().cloned(),
            answer["publications"].as_array_mut(),
        ) {
            let fresh: Vec<Value> = known.into_iter().filter(|old| !new.contains(old)).collect();
            new.extend(fresh);
        }
        self.answered = answer;
        Ok(())
    }

    /// Own publications: mid and id.
    pub fn publications(&self) -> Vec<(String, u64)> {
        let list = self.answered["publications"].as_array().cloned().unwrap_or_default();
        list.iter()
            .filter_map(|one| Some((one["mid"].as_str()?.to_owned(), one["publication"].as_u64()?)))
            .collect()
    }

    /// Id of the publication of a source.
    ///
    /// # Errors
    /// When it is not published.
    pub fn publication_of(&self, sending: &Sending) -> anyhow::Result<u64> {
        let mid = self.endpoint.mid_of(sending).context("no mid")?;
        let found = self.publications().into_iter().find(|(known, _)| *known == mid);
        found.map(|(_, id)| id).context("not published")
    }

    /// The seats of the latest answer, with the SSRCs that its SDP announces.
    ///
    /// # Errors
    /// When the answer does not announce them.
    pub fn seats(&self) -> anyhow::Result<Vec<Seat>> {
        let sdp = self.answered["sdp"].as_str().context("nothing answered yet")?;
        let seats = self.answered["seats"].as_array().context("an answer without seats")?;
        seats
            .iter()
            .map(|seat| {
                let ssrc = |name: &str| seat[name].as_str().and_then(|mid| first_ssrc(sdp, mid));
                Ok(Seat {
                    seat: seat["seat"].as_u64().context("a seat without number")?,
                    audio_ssrc: ssrc("audioMid").context("a seat without SSRC for sound")?,
                    video_ssrc: ssrc("videoMid"),
                })
            })
            .collect()
    }

    /// Waits until a source of somebody is on a seat, and says which. `kinds` are `audio`, `video` or both.
    ///
    /// # Errors
    /// When it does not happen.
    pub async fn seated(&mut self, participant: &str, kinds: &[&str]) -> anyhow::Result<Seat> {
        let number = loop {
            let found = self.seating.iter().find(|(_, seat)| {
                seat["participant"] == participant && kinds.iter().all(|kind| !seat[*kind].is_null())
            });
            if let Some((number, _)) = found {
                break *number;
            }
            // One event may tell of several seats, so what is not asked for now is kept for later.
            let what = |event: &Value| event["type"] == "seats";
            let event = self
                .signal
                .event_where(&format!("a seat with {kinds:?} of {participant}"), what)
                .await?;
            for seat in event["seats"].as_array().into_iter().flatten() {
                let number = seat["seat"].as_u64().context("a seat without number")?;
                self.seating.insert(number, seat.clone());
            }
        };
        let Some(seat) = self.seats()?.into_iter().find(|seat| seat.seat == number) else {
            bail!("seat {number} was never negotiated");
        };
        Ok(seat)
    }

    /// Subscribes with limits.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn subscribe(&mut self, publication: u64, wish: Value) -> anyhow::Result<()> {
        let mut fields = json!({"publication": publication});
        if let (Some(fields), Value::Object(wish)) = (fields.as_object_mut(), wish) {
            fields.extend(wish);
        }
        self.signal.request("subscribe", fields).await.map(drop)
    }

    /// Cuts the signalling socket and resumes on a new one.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn resume(&mut self) -> anyhow::Result<Value> {
        let key = self.joined["resume"]["key"]
            .as_str()
            .context("joined without a resume key")?
            .to_owned();
        let (last_seq, next_id) = (self.signal.last_seq(), self.signal.next_id());
        let fresh = Signal::connect(&self.url).await?;
        std::mem::replace(&mut self.signal, fresh).cut();
        self.signal.resume(next_id, &key, last_seq).await
    }
}

/// The first SSRC that an m-line of an SDP announces.
pub fn first_ssrc(sdp: &str, mid: &str) -> Option<u32> {
    let line = format!("a=mid:{mid}");
    let section = sdp
        .split("\r\nm=")
        .find(|section| section.lines().any(|candidate| candidate.trim_end() == line))?;
    let attribute = section
        .lines()
        .find_map(|candidate| candidate.strip_prefix("a=ssrc:"))?;
    attribute.split(' ').next()?.trim().parse().ok()
}
