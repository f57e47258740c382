import { NUMBERS } from './errors.js';
import { LEAVE_REASONS } from './leave-reasons.js';

/** @typedef {import('../core/protocol.js').Mode} RoomMode */
/** @typedef {'SEND_AND_RECV' | 'RECV_ONLY' | 'SIGNALLING_ONLY' | 'CONFERENCE' | 'VIEWER'} MeetingMode the last two are older names */
/** @typedef {'low' | 'med' | 'high'} Quality */
/** @typedef {'SHARE_AND_CAM' | 'CAM' | 'SHARE'} PinType */
/** @typedef {'audio' | 'video' | 'share' | 'shareAudio'} StreamKind */

/** @type {Readonly<Record<MeetingMode, RoomMode>>} */
export const ROOM_MODE = Object.freeze({
  SEND_AND_RECV: 'sendAndReceive', CONFERENCE: 'sendAndReceive', RECV_ONLY: 'receiveOnly', SIGNALLING_ONLY: 'signallingOnly', VIEWER: 'signallingOnly',
});

/**
 * @param {RoomMode} mode
 * @param {boolean} older whether the app speaks of CONFERENCE and VIEWER
 * @returns {MeetingMode}
 */
export function modeName(mode, older) {
  if (mode === 'receiveOnly') return 'RECV_ONLY';
  if (mode === 'sendAndReceive') return older ? 'CONFERENCE' : 'SEND_AND_RECV';
  return older ? 'VIEWER' : 'SIGNALLING_ONLY';
}

/** @type {Readonly<Record<import('../core/protocol.js').Source, StreamKind>>} */
export const STREAM_KIND = Object.freeze({ microphone: 'audio', camera: 'video', screen: 'share', screenAudio: 'shareAudio' });

/** The words of the Meeting API. */
export const Constants = Object.freeze({
  permission: Object.freeze({ AUDIO: 'audio', VIDEO: 'video', AUDIO_AND_VIDEO: 'audio_video' }),
  modes: Object.freeze({ CONFERENCE: 'CONFERENCE', VIEWER: 'VIEWER', SEND_AND_RECV: 'SEND_AND_RECV', RECV_ONLY: 'RECV_ONLY', SIGNALLING_ONLY: 'SIGNALLING_ONLY' }),
  reliability: Object.freeze({ RELIABLE: 'RELIABLE', UNRELIABLE: 'UNRELIABLE' }),
  pinType: Object.freeze({ SHARE_AND_CAM: 'SHARE_AND_CAM', CAM: 'CAM', SHARE: 'SHARE' }),
  meetingState: Object.freeze({
    CONNECTING: 'CONNECTING', CONNECTED: 'CONNECTED', FAILED: 'FAILED', DISCONNECTED: 'DISCONNECTED', CLOSING: 'CLOSING', CLOSED: 'CLOSED', RECONNECTING: 'RECONNECTING',
  }),
  errors: NUMBERS,
  leaveReasons: LEAVE_REASONS,
});
