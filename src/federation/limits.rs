//! Every limit and every duration of links, in one place. `docs/LINKS.md` lists the same.

use std::time::Duration;

/// What a link may cost and how long it waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkLimits {
    /// Links of one room, those that are being made or waited for included.
    pub links: usize,
    /// Links a room may begin, per second and at once.
    pub opens_per_second: u32,
    /// Requests from others that a room looks at, at once; they come back at `opens_per_second`.
    pub requests_burst: u32,
    /// People of the other room that are remembered; a link with more ends.
    pub people: usize,

    /// First pause before a request or an acceptance is repeated; each further is twice as long.
    pub repeat_first: Duration,
    /// Longest pause between two of them.
    pub repeat_max: Duration,
    /// How long a request may wait for its decision.
    pub decide: Duration,
    /// How long whoever asked waits for an answer.
    pub give_up: Duration,
    /// How long an acceptance is repeated before it is forgotten.
    pub accept: Duration,
    /// Pause before a room that is not there is asked again, when somebody waits for it.
    pub retry: Duration,
    /// The longest such pause when nobody waits: for a link that is opened again, each is twice as long as the one before.
    pub retry_max: Duration,

    /// Messages on the way, not yet acknowledged.
    pub window: usize,
    /// Encoded bytes on the way; one message may be above it.
    pub window_bytes: usize,
    /// First pause before what is on the way is sent again; each further is twice as long.
    pub resend_first: Duration,
    /// Longest pause before that.
    pub resend_max: Duration,

    /// A side that has said nothing for so long says that it is there; sooner, if `stale` is short.
    pub heartbeat: Duration,
    /// Nothing heard for so long: the link is stale.
    pub stale: Duration,
    /// Nothing heard for so long: the link is over. Also how long a stream may stand still.
    pub dead: Duration,

    /// Messages that wait for a place on the way.
    pub queue: usize,
    /// Encoded bytes of them.
    pub queue_bytes: usize,
    /// Questions without a reply, in each direction.
    pub questions: usize,
    /// Chat messages taken per second.
    pub chats_per_second: u32,
    /// Chat messages taken at once.
    pub chats_burst: u32,
    /// Requests to switch that one addressee gets in a minute, and at once.
    pub switches_per_minute: u32,

    /// Encoded bytes of the people in one message.
    pub page_bytes: usize,
    /// People in one message.
    pub page_people: usize,
    /// Pause between two messages about who came and went; the first is not delayed.
    pub roster_pause: Duration,

    /// Links that are over and still known, so that what is late of them revives nothing.
    pub tombs: usize,
    /// How long they are known.
    pub tomb: Duration,
}

impl LinkLimits {
    /// One sign of life may get lost before the other side takes the link for stale.
    pub(super) fn heartbeat(&self) -> Duration {
        self.heartbeat.min(self.stale * 2 / 5)
    }
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            links: 16,
            opens_per_second: 5,
            requests_burst: 16,
            people: 10_000,
            repeat_first: Duration::from_millis(250),
            repeat_max: Duration::from_secs(2),
            decide: Duration::from_secs(30),
            give_up: Duration::from_secs(35),
            accept: Duration::from_secs(10),
            retry: Duration::from_millis(500),
            retry_max: Duration::from_secs(8),
            window: 64,
            window_bytes: 512 * 1024,
            resend_first: Duration::from_millis(200),
            resend_max: Duration::from_secs(2),
            heartbeat: Duration::from_secs(2),
            stale: Duration::from_secs(5),
            dead: Duration::from_secs(30),
            queue: 256,
            queue_bytes: 1024 * 1024,
            questions: 128,
            chats_per_second: 50,
            chats_burst: 100,
            switches_per_minute: 3,
            page_bytes: 48 * 1024,
            page_people: 500,
            roster_pause: Duration::from_millis(50),
            tombs: 256,
            tomb: Duration::from_secs(60),
        }
    }
}
