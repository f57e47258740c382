//! What is sent and answered, as JSON.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};

use super::asked::PageInfo;
use super::{Refusal, invalid};
use crate::node::check_endpoint;
use crate::packet::Codec;
use crate::records::{AutoClose, RoomRecord, RoomSettings, RoomWebhook, WEBHOOK_TYPES, rfc3339};
use crate::wire::link::Rights;
use crate::wire::signal::{LinkPolicy, SourceKind};
use crate::wire::{Json, ParticipantId, RoomId};

/// Most participants a room can be for.
const ALLOWED_MAX: usize = 10_000;
/// Most rooms that a room can be near.
const NEAR_MAX: usize = 8;
/// Longest duration of a session that is closed by itself, in minutes: 30 days.
const MINUTES_MAX: u32 = 43_200;
/// What the documented API closes a session after, in minutes.
const MINUTES: u32 = 480;
/// Longest departure timeout, in seconds.
const DEPARTURE_MAX: u32 = 86_400;
/// Longest empty timeout, in seconds: a year.
const EMPTY_MAX: u32 = 31_536_000;

/// `null` and absent are not the same.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// What a room is made with. When a room is changed, what is absent stays as it is; `null` is the server's default.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RoomBody {
    /// Its id, when it is made. Absent: one is made up. The same again gives the room that is there.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    pub(super) custom_room_id: Option<RoomId>,
    /// Whom to tell what happens in it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<WebhookBody>)]
    webhook: Option<Option<WebhookBody>>,
    /// When its sessions end by themselves.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<AutoCloseBody>)]
    auto_close_config: Option<Option<AutoCloseBody>>,
    /// Only they come in, by tokens that name them.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 10_000)]
    allowed_participant_ids: Option<Option<BTreeSet<ParticipantId>>>,
    /// Most participants, within the server's limit.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    max_participants: Option<Option<u32>>,
    /// Codecs that may be sent, best first: vp8, vp9, h264, av1, opus, red.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 16)]
    codecs: Option<Option<Vec<Codec>>>,
    /// What becomes of rooms that ask for a link: auto, ask, deny.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    link_policy: Option<Option<LinkPolicy>>,
    /// What linked rooms may do: roster, chat, switch, end.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    link_rights: Option<Option<Vec<String>>>,
    /// Rooms that it is linked with as a rule. In a cluster it begins on the node of one of them, if that has place.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 8)]
    near: Option<Option<BTreeSet<RoomId>>>,
    /// Newcomers wait to be let in.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>)]
    lobby: Option<Option<bool>>,
    /// Seconds for which it outlives its last participant.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, maximum = 86_400)]
    departure_timeout: Option<Option<u32>>,
    /// Seconds for which it waits for its first participant, from when it was made.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, maximum = 31_536_000)]
    empty_timeout: Option<Option<u32>>,
    /// For calls written for the Meeting API; not looked at.
    #[serde(rename = "region")]
    #[schema(value_type = Option<String>)]
    _region: Option<Json>,
    /// For calls written for the Meeting API; not looked at.
    #[serde(rename = "geoFence")]
    #[schema(value_type = Option<String>)]
    _geo_fence: Option<Json>,
}

/// Whom to tell.
#[derive(Clone, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WebhookBody {
    /// A URL.
    #[schema(max_length = 2048)]
    end_point: String,
    /// session-started, session-ended, participant-joined, participant-left, link-opened, link-closed. None: all of them.
    #[serde(default)]
    #[schema(max_items = 6)]
    events: Vec<String>,
}

/// When a session ends by itself.
#[derive(Clone, Copy, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AutoCloseBody {
    r#type: AutoCloseType,
    /// Minutes.
    #[serde(default = "minutes")]
    #[schema(minimum = 1, maximum = 43_200)]
    duration: u32,
}

const fn minutes() -> u32 {
    MINUTES
}

/// Whether the room ends with the session.
#[derive(Clone, Copy, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AutoCloseType {
    SessionEnds,
    SessionEndAndDeactivate,
}

impl RoomBody {
    /// Does it say anything that only servers and moderators say?
    pub(super) fn is_privileged(&self) -> bool {
        self.webhook.is_some()
    }

    /// Changes what it names.
    pub(super) fn apply(self, settings: &mut RoomSettings, allow_private: bool) -> Result<(), Refusal> {
        let within = |name: &str, value: Option<u32>, low: u32, high: u32| match value {
            Some(value) if !(low..=high).contains(&value) => Err(invalid(format!("{name} is {low} to {high}"))),
            Some(_) | None => Ok(()),
        };
        if let Some(webhook) = self.webhook {
            settings.webhook = webhook.map(|webhook| webhook.check(allow_private)).transpose()?;
        }
        if let Some(close) = self.auto_close_config {
            within(
                "autoCloseConfig.duration",
                close.map(|close| close.duration),
                1,
                MINUTES_MAX,
            )?;
            settings.auto_close = close.map(|close| AutoClose {
                minutes: close.duration,
                deactivate: matches!(close.r#type, AutoCloseType::SessionEndAndDeactivate),
            });
        }
        if let Some(allowed) = self.allowed_participant_ids {
            if allowed.as_ref().is_some_and(|allowed| allowed.len() > ALLOWED_MAX) {
                return Err(invalid(format!(
                    "allowedParticipantIds has at most {ALLOWED_MAX} entries"
                )));
            }
            settings.allowed = allowed;
        }
        if let Some(near) = self.near {
            if near.as_ref().is_some_and(|near| near.len() > NEAR_MAX) {
                return Err(invalid(format!("near has at most {NEAR_MAX} entries")));
            }
            settings.near = near;
        }
        if let Some(max) = self.max_participants {
            within("maxParticipants", max, 1, u32::MAX)?;
            settings.max_participants = max;
        }
        if let Some(codecs) = self.codecs {
            if codecs
                .as_ref()
                .is_some_and(|codecs| codecs.is_empty() || codecs.len() > 16)
            {
                return Err(invalid("codecs has 1 to 16 entries; null is the server's"));
            }
            settings.codecs = codecs;
        }
        if let Some(departure) = self.departure_timeout {
            within("departureTimeout", departure, 0, DEPARTURE_MAX)?;
            settings.departure_timeout_ms = departure.map(|secs| u64::from(secs) * 1_000);
        }
        if let Some(empty) = self.empty_timeout {
            within("emptyTimeout", empty, 0, EMPTY_MAX)?;
            settings.empty_timeout_ms = empty.map(|secs| u64::from(secs) * 1_000);
        }
        let set = |field: &mut Option<bool>, value: Option<Option<bool>>| *field = value.unwrap_or(*field);
        set(&mut settings.lobby, self.lobby);
        settings.link_policy = self.link_policy.unwrap_or(settings.link_policy);
        if let Some(words) = self.link_rights {
            let rights = words.map(|words| {
                let rights = Rights::from_words(words.iter().map(String::as_str));
                rights.map_err(|_| invalid(format!("linkRights holds some of {}", Rights::WORDS.join(", "))))
            });
            settings.link_rights = rights.transpose()?;
        }
        Ok(())
    }
}

impl WebhookBody {
    fn check(self, allow_private: bool) -> Result<RoomWebhook, Refusal> {
        check_endpoint(&self.end_point, allow_private)
            .map_err(|error| invalid(format!("webhook.endPoint: {error}")))?;
        if let Some(unknown) = self
            .events
            .iter()
            .find(|event| !WEBHOOK_TYPES.contains(&event.as_str()))
        {
            let shown: String = unknown.chars().take(64).collect();
            let known = WEBHOOK_TYPES.join(", ");
            return Err(invalid(format!(
                "webhook.events: there is no {shown:?}; there are {known}"
            )));
        }
        let events: BTreeSet<String> = self.events.into_iter().collect();
        Ok(RoomWebhook {
            endpoint: self.end_point,
            events: events.into_iter().collect(),
        })
    }
}

/// A room.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomInfo {
    #[schema(value_type = String)]
    room_id: RoomId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    custom_room_id: Option<RoomId>,
    /// Nobody is let in.
    disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_close_config: Option<AutoCloseBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    allowed_participant_ids: Option<BTreeSet<ParticipantId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_participants: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    codecs: Option<Vec<Codec>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    link_policy: Option<LinkPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    link_rights: Option<Rights>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    near: Option<BTreeSet<RoomId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lobby: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    departure_timeout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    empty_timeout: Option<u32>,
    links: RoomUrls,
}

/// Where to ask on.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct RoomUrls {
    get_room: String,
    get_session: String,
}

impl RoomInfo {
    /// A room that was made ahead. Whom it tells is shown to `whole` alone.
    pub(super) fn new(record: &RoomRecord, disabled: bool, whole: bool) -> Self {
        let settings = &record.settings;
        let seconds = |ms: u64| u32::try_from(ms / 1_000).unwrap_or(u32::MAX);
        Self {
            custom_room_id: record.custom.then(|| record.room.clone()),
            disabled,
            created_at: Some(rfc3339(record.created_ms)),
            updated_at: Some(rfc3339(record.updated_ms)),
            webhook: settings.webhook.clone().filter(|_| whole).map(|webhook| WebhookBody {
                end_point: webhook.endpoint,
                events: webhook.events,
            }),
            auto_close_config: settings.auto_close.map(|close| AutoCloseBody {
                r#type: if close.deactivate {
                    AutoCloseType::SessionEndAndDeactivate
                } else {
                    AutoCloseType::SessionEnds
                },
                duration: close.minutes,
            }),
            allowed_participant_ids: settings.allowed.clone().filter(|_| whole),
            max_participants: settings.max_participants,
            codecs: settings.codecs.clone(),
            link_policy: settings.link_policy,
            link_rights: settings.link_rights,
            near: settings.near.clone(),
            lobby: settings.lobby,
            departure_timeout: settings.departure_timeout_ms.map(seconds),
            empty_timeout: settings.empty_timeout_ms.map(seconds),
            ..Self::living(record.room.clone())
        }
    }

    /// A room that nobody made: people simply joined.
    pub(super) fn living(room: RoomId) -> Self {
        let segment = super::super::whip::segment(room.as_str());
        Self {
            links: RoomUrls {
                get_room: format!("/v2/rooms/{segment}"),
                get_session: format!("/v2/sessions?roomId={segment}"),
            },
            room_id: room,
            custom_room_id: None,
            disabled: false,
            created_at: None,
            updated_at: None,
            webhook: None,
            auto_close_config: None,
            allowed_participant_ids: None,
            max_participants: None,
            codecs: None,
            link_policy: None,
            link_rights: None,
            near: None,
            lobby: None,
            departure_timeout: None,
            empty_timeout: None,
        }
    }
}

/// Rooms that were made ahead.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomPage {
    pub(super) page_info: PageInfo,
    pub(super) data: Vec<RoomInfo>,
}

/// Switches a room on or off.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusBody {
    pub(super) status: RoomStatus,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoomStatus {
    Enabled,
    Disabled,
}

/// Names a room.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NamedRoom {
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    pub(super) room_id: RoomId,
    /// Only if this is the session that goes on.
    #[schema(max_length = 128)]
    pub(super) session_id: Option<String>,
}

/// Names somebody in a room.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NamedParticipant {
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    pub(super) room_id: RoomId,
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    pub(super) participant_id: ParticipantId,
    /// Only if this is the session that goes on.
    #[schema(max_length = 128)]
    pub(super) session_id: Option<String>,
}

/// Mutes a source of somebody.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MuteBody {
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    pub(super) participant_id: ParticipantId,
    /// microphone, camera, screen, screenAudio.
    #[schema(value_type = String)]
    pub(super) source: SourceKind,
    /// True: ask them to unmute it.
    #[serde(default)]
    pub(super) on: bool,
    /// In whose name; `server` when absent.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    pub(super) from: Option<ParticipantId>,
}

/// Asks somebody to go to another room.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MoveBody {
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    pub(super) participant_id: ParticipantId,
    /// Where to.
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    pub(super) room_id: RoomId,
    /// To join there with.
    #[schema(max_length = 8192)]
    pub(super) token: String,
    /// For the application.
    #[schema(value_type = Option<Object>)]
    pub(super) payload: Option<Json>,
    /// In whose name; `server` when absent.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    pub(super) from: Option<ParticipantId>,
}

/// Says something: `text` as chat, or `payload` on a `topic`.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SendBody {
    #[schema(max_length = 16384)]
    pub(super) text: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    pub(super) topic: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub(super) payload: Option<Json>,
    /// To whom; absent: everybody.
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) to: Option<Vec<ParticipantId>>,
    /// In whose name; `server` when absent.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    pub(super) from: Option<ParticipantId>,
}

/// Asks for a link.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LinkBody {
    /// With which room.
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    pub(super) room_id: RoomId,
    /// Told to everybody in both rooms.
    #[schema(value_type = Option<Object>)]
    pub(super) payload: Option<Json>,
    /// In whose name; `server` when absent.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    pub(super) from: Option<ParticipantId>,
}
