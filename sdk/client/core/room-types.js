/**
 * What a Room takes and tells; nothing that runs.
 *
 * @typedef {import('./connection.js').ConnectionState} ConnectionState
 * @typedef {import('./errors.js').EnfiladeError} EnfiladeError
 * @typedef {import('./link.js').RoomLink} RoomLink
 * @typedef {import('./links.js').LinkRequested} LinkRequested
 * @typedef {import('./media-path.js').MediaState} MediaState
 * @typedef {import('./moderation.js').EntryRequested} EntryRequested
 * @typedef {import('./moderation.js').Switchable} Switchable
 * @typedef {import('./participant.js').LocalParticipant} LocalParticipant
 * @typedef {import('./publication.js').LocalPublication} LocalPublication
 * @typedef {import('./participant.js').RemoteParticipant} RemoteParticipant
 * @typedef {import('./participant.js').RemotePublication} RemotePublication
 * @typedef {import('./platform.js').Platform} Platform
 * @typedef {import('./protocol.js').ChatMessage} ChatMessage
 * @typedef {import('./protocol.js').LinkCloseReason} LinkCloseReason
 * @typedef {import('./protocol.js').Mode} Mode
 * @typedef {import('./protocol.js').Pin} Pin
 * @typedef {import('./protocol.js').Settings} Settings
 * @typedef {import('./protocol.js').SwitchAsked} SwitchAsked
 * @typedef {import('./protocol.js').TopicMessage} TopicMessage
 *
 * @typedef {object} RoomOptions
 * @property {string | (() => string | Promise<string>)} token a function is asked again at every fresh join, so that a
 *   token may expire during a call
 * @property {string | string[]} [url] of the server, or of several that act as one; default: where the page came from
 * @property {string} [room] optional if the token names one
 * @property {string} [participant] our id; default: the token's, else the server makes one up
 * @property {string} [displayName] at most 256 bytes
 * @property {unknown} [metadata] any JSON, at most 16 KiB
 * @property {boolean} [autoSubscribe] default true: receive everything until told otherwise
 * @property {number} [seats] receive places offered at first; default 8, grows by itself up to 48
 * @property {number} [lastN] most pictures sent to us at a time (`setLastN`); default: as the server's configuration says
 * @property {number} [reconnectForMs] how long to try to come back; default 120 000
 * @property {'any' | 'open' | 'join'} [intent] open: begin the room, or reject with `room-exists`; join: enter it, or reject
 *   with `room-not-found`; any (the default): whichever it is. Decided by the server at once for all who ask
 * @property {string} [password] of the room, if it has one (`password-required`, `password-wrong`)
 * @property {Settings} [settings] of the room, if this join begins it; otherwise they change nothing
 * @property {Mode} [mode] what of media we take part in; default sendAndReceive
 * @property {{keys: import('./key-provider.js').KeyProvider}} [e2ee] end-to-end encryption: what we send is encrypted, and what cannot
 *   be decrypted is not shown. Throws `not-supported` where the browser cannot
 * @property {boolean} [backupCodecs] send a picture in a second codec while somebody cannot decode the first; default true
 * @property {Platform} [platform] default: the browser
 *
 * @typedef {{
 *   state: [ConnectionState, ConnectionState, EnfiladeError | null],
 *   'media-state': [MediaState],
 *   waiting: [],
 *   'participant-joined': [RemoteParticipant],
 *   'participant-left': [RemoteParticipant, string],
 *   'participant-updated': [RemoteParticipant | LocalParticipant],
 *   'publication-added': [RemotePublication, RemoteParticipant],
 *   'publication-updated': [RemotePublication, RemoteParticipant],
 *   'publication-removed': [RemotePublication, RemoteParticipant],
 *   'track-started': [RemotePublication, RemoteParticipant],
 *   'track-stopped': [RemotePublication, RemoteParticipant],
 *   subscription: [RemotePublication, RemoteParticipant],
 *   'local-changed': [],
 *   encryption: [RemotePublication | LocalPublication, import('./e2ee-cipher.js').Outcome],
 *   backup: [LocalPublication, import('./backups.js').BackupChange],
 *   speakers: [(RemoteParticipant | LocalParticipant)[]],
 *   quality: [(RemoteParticipant | LocalParticipant)[]],
 *   chat: [ChatMessage],
 *   'topic-message': [TopicMessage],
 *   'link-opened': [RoomLink, {replayed: boolean}],
 *   'link-closed': [RoomLink, LinkCloseReason],
 *   'link-requested': [LinkRequested],
 *   'link-request-ended': [{request: number, accepted: boolean, by: string | null}],
 *   switch: [SwitchAsked],
 *   'room-updated': [],
 *   'entry-requested': [EntryRequested],
 *   'entry-responded': [{participant: string, allow: boolean, by: string | null}],
 *   'media-requested': [{participant: string, source: Switchable, on: boolean}],
 *   pin: [Pin],
 *   recording: [import('./protocol.js').RecordingInfo],
 *   'store-changed': [{key: string, value: string | null, participant: string}],
 *   'autoplay-blocked': [],
 *   'autoplay-resumed': [],
 *   error: [EnfiladeError],
 *   closed: [EnfiladeError | null],
 * }} RoomEvents
 *   `state`: new, previous, cause. `waiting`: we are in the lobby. `track-started` and `track-stopped`: show and hide,
 *   nothing else tells. `backup`: we send it in `codec` as well, because these participants cannot decode it otherwise; null: no longer.
 *   `encryption`: what becomes of its frames from now on: `ok`, or why they are dropped. `link-opened`: `replayed` if the link was there before we came. `switch`: somebody asks us to go to
 *   another room; nothing happens by itself. `room-updated`: another owner or other settings. `media-requested`: a moderator
 *   switched us off (done already), or asks us to switch on. `error`: something that went wrong without anybody having
 *   called. `closed`: the end; null when we left by ourselves.
 */
export {};
