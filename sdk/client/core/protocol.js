import { requireArgument } from './errors.js';

/**
 * The shapes of docs/PROTOCOL.md, version 1, and nothing that decides.
 *
 * @typedef {'microphone' | 'camera' | 'screen' | 'screenAudio'} Source
 * @typedef {'low' | 'medium' | 'high'} Quality
 * @typedef {'sendAndReceive' | 'receiveOnly' | 'signallingOnly'} Mode
 * @typedef {'publish' | 'subscribe' | 'talk' | 'moderate' | 'link' | 'judge'} Permission
 *
 * @typedef {object} WirePublication
 * @property {number} id
 * @property {Source} source
 * @property {'audio' | 'video'} kind
 * @property {boolean} muted
 * @property {string | null} [codec]
 * @property {number} [encodings]
 * @property {number | null} [width]
 * @property {number | null} [height]
 * @property {unknown} [metadata]
 * @property {boolean} [encrypted]
 *
 * @typedef {object} WireParticipant
 * @property {string} id
 * @property {string} displayName
 * @property {unknown} [metadata]
 * @property {number} joinedAtMs milliseconds since 1970
 * @property {Mode} [mode]
 * @property {WirePublication[]} publications
 *
 * @typedef {{seat: number, participant: string | null, audio: number | null, video: number | null}} WireSeat
 * @typedef {{seat: number, audioMid: string | null, videoMid: string | null}} WireSeatLine
 *
 * @typedef {object} Limits what we want of a publication; absent means no limit
 * @property {Quality} [quality] caps the encoding
 * @property {number} [maxWidth] pixels: the smallest encoding that fills the box
 * @property {number} [maxHeight] pixels
 * @property {number} [maxTemporal] highest temporal layer, 0 the lowest
 * @property {boolean} [paused] keep the wish, send nothing
 * @property {'normal' | 'pinned'} [priority] pinned publications get a seat first
 *
 * @typedef {object} Joined
 * @property {number} version
 * @property {string} room
 * @property {string} session id of this live occurrence of the room
 * @property {WireParticipant} participant ourselves
 * @property {{key: string, windowMs: number}} resume
 * @property {WireParticipant[]} participants the others
 * @property {RTCIceServer[]} [iceServers]
 * @property {number} [iceServersTtlMs] how long their credentials are good for
 * @property {{messageBytes: number, metadataBytes: number, chatBytes: number, seats: number}} limits
 * @property {boolean} [created] this join began the room
 * @property {string | null} [owner]
 * @property {Permission[]} [permissions] what our token allows here
 * @property {SettingsInfo} [settings]
 * @property {WireLink[]} [links]
 * @property {Pin[]} [pins]
 * @property {RecordingInfo} [recording] the one that is being made
 *
 * @typedef {object} Answer
 * @property {string} sdp unpacked by the transport where it came as `sdpDeflate`
 * @property {string} [sdpDeflate]
 * @property {WireSeatLine[]} [seats]
 * @property {{mid: string, publication: number}[]} [publications]
 *
 * @typedef {object} PublishLine
 * @property {string} mid
 * @property {Source} source
 * @property {boolean} muted
 * @property {number} [width]
 * @property {number} [height]
 * @property {unknown} [metadata]
 * @property {number | null} [backupOf] another version of this publication of ours
 * @property {boolean} [encrypted] end to end
 *
 * @typedef {object} ChatMessage
 * @property {string} message id
 * @property {string} participant who wrote it
 * @property {string} displayName
 * @property {string} text
 * @property {string[]} [to] absent: everybody
 * @property {number} timestampMs milliseconds since 1970
 *
 * @typedef {object} TopicMessage
 * @property {string} message id
 * @property {string} topic
 * @property {string} participant
 * @property {string} displayName
 * @property {unknown} payload
 * @property {number} timestampMs milliseconds since 1970
 *
 * @typedef {'auto' | 'ask' | 'deny'} LinkPolicy what becomes of another room's wish for a link
 * @typedef {'roster' | 'chat' | 'switch' | 'end'} LinkRight what one room may do in another one
 * @typedef {'closed-local' | 'closed-remote' | 'local-ended' | 'remote-ended' | 'unreachable' | 'node-lost' | 'policy' | 'limit' | 'unknown' | 'left'} LinkCloseReason
 *   the last two are the SDK's own: it closed while we were away; we left our room
 *
 * @typedef {object} SettingsFields what a room may be told, and tells
 * @property {number | null} [maxParticipants] at least 1; null: the server's limit
 * @property {boolean} [closeWithOwner] the room closes for all when its owner has left; otherwise somebody else takes over
 * @property {boolean} [keepEmpty] false: the room ends with its last participant
 * @property {string | null} [listing] at most 128 bytes; found by `listRooms`
 * @property {unknown} [info] any JSON, at most 16 KiB; told by `presence`
 * @property {boolean} [lobby] newcomers wait to be let in
 * @property {string[] | null} [codecs] what may be sent, best first: vp8, vp9, h264, av1, opus, red; null: as the server allows
 * @property {number | null} [lastN] most pictures sent to who does not say otherwise (`setLastN`), 0 to 50; null: as the server's configuration says
 * @property {LinkPolicy} [linkPolicy]
 * @property {LinkRight[]} [linkRights] what linked rooms may do here
 *
 * @typedef {SettingsFields & {password?: string | null}} Settings absent fields stay; `password`: 1 to 256 bytes, null for none
 * @typedef {Required<SettingsFields> & {passwordProtected: boolean}} SettingsInfo
 *
 * @typedef {{id: string, displayName: string}} WirePerson
 *
 * @typedef {object} WireLink
 * @property {string} link the other room
 * @property {unknown} [payload]
 * @property {LinkRight[]} rights
 * @property {WirePerson[]} participants
 * @property {boolean} [stale]
 *
 * @typedef {object} LinkChat
 * @property {string} message id
 * @property {string} participant who wrote it; an id of the room it was said in
 * @property {string} displayName
 * @property {string} text
 * @property {number} timestampMs milliseconds since 1970
 *
 * @typedef {object} LinkRequest a room asks for a link with ours
 * @property {number} request
 * @property {string} room
 * @property {string} participant who asks
 * @property {string} displayName
 * @property {unknown} payload
 * @property {number} expiresMs ms until nobody need answer any more
 *
 * @typedef {{room: string, token: string, payload?: unknown}} SwitchRequest
 * @typedef {{room: string, token: string, payload: unknown, participant: string, link: string | null}} SwitchAsked
 *   `participant`: who asks; `link`: of which linked room, or null: of this one
 *
 * @typedef {{participant: string, camera: boolean, screen: boolean, by: string}} Pin
 *
 * @typedef {object} RecordingInfo
 * @property {string} recording its name
 * @property {'starting' | 'started' | 'stopping' | 'stopped' | 'failed'} state failed: it ended without being asked to
 * @property {string | null} by who started it; null: over HTTP
 * @property {number} startedAtMs milliseconds since 1970
 * @property {'stopped' | 'room-closed' | 'too-long' | 'too-large' | 'disk-full' | 'disk-failed'} [reason] why it ended
 * @property {number} [lengthMs] once it has ended
 * @property {number} [bytes] once it has ended
 *
 * @typedef {object} Presence
 * @property {string} room
 * @property {boolean} exists whether somebody is in it
 * @property {number} participants how many
 * @property {number | null} maxParticipants
 * @property {boolean} full
 * @property {boolean} passwordProtected
 * @property {{id: string, displayName: string, metadata?: unknown} | null} owner
 * @property {unknown} info
 *
 * @typedef {{seq?: number, re?: number, type: string, [field: string]: any}} ServerMessage
 */

/** Versions of the protocol this SDK speaks, best first. */
export const VERSIONS = Object.freeze([1]);
/** What the server sees of us in `join`. */
export const CLIENT = 'enfilade-js/0.1.0';
/** The path of the signalling socket. */
export const SIGNAL_PATH = '/v1/signal';
/** Protocol name of our data channels. */
export const DATA_PROTOCOL = 'enfilade.data.v1';
/** Largest payload of a data channel message, in bytes. */
export const DATA_BYTES_MAX = 256 * 1024;

/** @type {Record<Source, 'audio' | 'video'>} */
export const KIND = Object.freeze({ microphone: 'audio', screenAudio: 'audio', camera: 'video', screen: 'video' });

/**
 * The WebSocket address of a server that may be given as http(s), ws(s), or with the path already on it. Taken apart by
 * hand, because the `URL` of React Native cannot be changed and, in older versions, not even read.
 * @param {string} url
 */
export function signalUrl(url) {
  const parts = /^(http|ws)(s?):\/\/([^/?#]+)([^?#]*)(\?[^#]*)?/i.exec(url.trim());
  requireArgument(parts !== null, `"${url}" is not the address of a server: http(s)://… or ws(s)://… is.`);
  const [, , secure = '', host, path = '', query = ''] = parts;
  return `ws${secure}://${host}${path === '' || path === '/' ? SIGNAL_PATH : path}${query}`;
}
