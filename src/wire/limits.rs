//! Every size limit of the client protocol, in one place. What they mean to a client is in `docs/PROTOCOL.md`.

/// Bytes of a room id or participant id, as UTF-8.
pub const ID_BYTES_MAX: usize = 128;

/// Bytes of any client message but `offer`.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the SDP inside an `offer`. An offer with 50 seats is about 300 kB.
pub const SDP_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of an `offer` message: the SDP and what surrounds it.
pub const OFFER_BYTES_MAX: usize = SDP_BYTES_MAX + MESSAGE_BYTES_MAX;

/// Levels of arrays and objects inside each other, the message itself being the first.
pub const JSON_DEPTH_MAX: usize = 32;

/// Values (numbers, strings, arrays, ...) in one message. A parsed value costs 32 bytes, its text as little as 2.
pub const JSON_VALUES_MAX: usize = 16_384;

/// Bytes of a token.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a display name.
pub const DISPLAY_NAME_BYTES_MAX: usize = 256;

/// Bytes of a metadata value, written as compact JSON.
pub const METADATA_BYTES_MAX: usize = 16 * 1024;

/// Bytes of the `client` field of `join`.
pub const CLIENT_BYTES_MAX: usize = 128;

/// Bytes of a chat text.
pub const CHAT_BYTES_MAX: usize = 8 * 1024;

/// Addressees of one chat or topic message.
pub const ADDRESSEES_MAX: usize = 256;

/// Bytes of a topic's name.
pub const TOPIC_BYTES_MAX: usize = 128;

/// Bytes of a topic message's payload, written as compact JSON.
pub const TOPIC_PAYLOAD_BYTES_MAX: usize = 32 * 1024;

/// Bytes of an m-line's mid (RFC 8843 wants them short; ours and the browsers' have 1 to 3).
pub const MID_BYTES_MAX: usize = 32;

/// m-lines of one offer, hence entries of `publish` in it.
pub const LINES_MAX: usize = 128;

/// Pixels of a picture, either way.
pub const PICTURE_PIXELS_MAX: u32 = 16_384;

/// Versions a client may list.
pub const VERSIONS_MAX: usize = 16;

/// Seats of one participant. Firefox fails above 64 pairs of m-lines in one connection.
pub const SEATS_MAX: usize = 50;

/// Bytes of one data channel message, its header included.
pub const DATA_BYTES_MAX: usize = 256 * 1024;

/// The protocol name of data channels that the room relays.
pub const DATA_PROTOCOL: &str = "enfilade.data.v1";

/// Entries of a list of codecs.
pub const CODECS_MAX: usize = 16;

/// Bytes of a room's password.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// Bytes of the word by which a room is listed.
pub const LISTING_BYTES_MAX: usize = 128;

/// Bytes of a room's `info`, written as compact JSON.
pub const INFO_BYTES_MAX: usize = 16 * 1024;

/// Rooms of one answer to `rooms`.
pub const ROOMS_MAX: usize = 100;

/// Bytes of one answer to `rooms`, more or less: what their owners tell of themselves and their rooms may be long.
pub const ROOMS_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a key of the shared values.
pub const STORE_KEY_BYTES_MAX: usize = 128;

/// Bytes of a shared value.
pub const STORE_VALUE_BYTES_MAX: usize = 1024;

/// Shared values of one room.
pub const STORE_KEYS_MAX: usize = 256;

/// Bytes of the payload of a link or a switch request, written as compact JSON.
pub const PAYLOAD_BYTES_MAX: usize = 4 * 1024;

/// Longest time a moderator keeps somebody out of a room: a day, in milliseconds.
pub const BLOCK_MS_MAX: u32 = 24 * 3_600_000;

/// Milliseconds for which somebody may wait for a room to be linked with.
pub const LINK_WAIT_MS_MAX: u32 = 60_000;
